"""The same app as a user of Django writes it, in one file: settings, a view, `app` for WSGI."""

from __future__ import annotations

import django
import shared
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import re_path

settings.configure(SECRET_KEY="of-tests", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__)
django.setup()


def page(request: HttpRequest) -> JsonResponse:
    return JsonResponse(shared.answer(request.path, request.GET.dict()))


urlpatterns = [re_path("", page)]
app = get_wsgi_application()
