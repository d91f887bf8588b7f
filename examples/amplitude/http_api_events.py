"""Send the events of the HTTP API's own samples: every documented key, and moments of the past."""

import os

from sluiceway import Amplitude

EVENT = {
    "user_id": "datamonster@gmail.com",
    "device_id": "C8F9E604-F01A-4BD9-95C6-8E5357DF265D",
    "event_type": "watch_tutorial",
    "time": 1396381378123,
    "event_properties": {"load_time": 0.8371, "source": "notification", "dates": ["monday", "tuesday"]},
    "user_properties": {"age": 25, "gender": "female", "interests": ["chess", "football", "music"]},
    "groups": {"team_id": "1", "company_name": ["Amplitude", "DataMonster"]},
    "app_version": "2.1.3",
    "platform": "iOS",
    "os_name": "Android",
    "os_version": "4.2.2",
    "device_brand": "Verizon",
    "device_manufacturer": "Apple",
    "device_model": "iPhone 9,1",
    "carrier": "Verizon",
    "country": "United States",
    "region": "California",
    "city": "San Francisco",
    "dma": "San Francisco-Oakland-San Jose, CA",
    "language": "English",
    "price": 4.99,
    "quantity": 3,
    "revenue": -1.99,
    "productId": "Google Pay Store Product Id",
    "revenueType": "Refund",
    "location_lat": 37.77,
    "location_lng": -122.39,
    "ip": "127.0.0.1",
    "idfa": "AEBE52E7-03EE-455A-B3C4-E57283966239",
    "idfv": "BCCE52E7-03EE-321A-B3D4-E57123966239",
    "adid": "AEBE52E7-03EE-455A-B3C4-E57283966239",
    "android_id": "BCCE52E7-03EE-321A-B3D4-E57123966239",
    "event_id": 23,
    "session_id": 1396381378123,
    "insert_id": "5f0adeff-6668-4427-8d02-57d803a2b841",
}

with Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL")) as client:
    client.log_event(EVENT)
    client.track(
        "watch_tutorial",
        user_id=12345,
        user_properties={"Cohort": "Test A"},
        country="United States",
        ip="$remote",
        time="2014-04-01T19:42:58.123Z",
    )
