"""Record purchases and refunds."""

import os

from sluiceway import Amplitude, Revenue

with Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL")) as client:
    client.revenue(
        Revenue(price=3.99, quantity=3, product_id="com.company.productId", currency="EUR"), user_id="USER_ID"
    )
    client.revenue(Revenue(price=-3.99, revenue_type="refund", properties={"reason": "too late"}), user_id="USER_ID")
    # Or as part of an event of your own.
    client.track("Checkout", user_id="USER_ID", price=4.99, quantity=2, product_id="com.company.productId")
