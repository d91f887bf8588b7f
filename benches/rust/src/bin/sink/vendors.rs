//! What each vendor's path is counted by, and what its client takes for success.

use crate::count::Needle;

/// How to count a body's events and how to say that they were taken.
#[derive(Clone, Copy)]
pub(crate) struct Vendor {
    /// The key under which each event of `batch` or `events` has its id, colon included: a text with that name is none.
    pub(crate) needle: Needle,
    success: Success,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Success {
    Segment,
    RudderStack,
    PostHog,
    PostHogV1,
    Amplitude,
    Mixpanel,
}

/// The vendor that listens at `path`, by its end: a client may be pointed at any prefix.
///
/// Segment and RudderStack share a path, so RudderStack's clients are pointed at `/rudder`.
pub(crate) fn of(path: &str) -> Option<Vendor> {
    let path = path.split_once('?').map_or(path, |(before, _)| before);
    let (needle, success) = match path {
        "/rudder/v1/batch" => (Needle::new("\"messageId\":", 8), Success::RudderStack),
        _ if path.ends_with("/v1/batch") => (Needle::new("\"messageId\":", 8), Success::Segment),
        // The slash at the end is the difference between PostHog's batch path and Amplitude's.
        _ if path.ends_with("/batch/") => (Needle::new("\"uuid\":", 1), Success::PostHog),
        _ if path.ends_with("/i/v1/analytics/events") => (Needle::new("\"uuid\":", 1), Success::PostHogV1),
        _ if path.ends_with("/2/httpapi") || path.ends_with("/batch") => {
            (Needle::new("\"insert_id\":", 7), Success::Amplitude)
        }
        // Its client sends a form, so the quotes arrive as %22.
        _ if path.ends_with("/track") => (Needle::new("insert_id%22%3A", 6), Success::Mixpanel),
        _ => return None,
    };
    Some(Vendor { needle, success })
}

impl Vendor {
    pub(crate) fn answer(self, events: u64) -> String {
        match self.success {
            Success::Segment => r#"{"success":true}"#.to_owned(),
            Success::RudderStack => "OK".to_owned(),
            Success::PostHog => r#"{"status":"Ok"}"#.to_owned(),
            // An event that the results do not name was taken.
            Success::PostHogV1 => r#"{"results":{}}"#.to_owned(),
            Success::Amplitude => {
                format!(r#"{{"code":200,"events_ingested":{events},"payload_size_bytes":0,"server_upload_time":0}}"#)
            }
            Success::Mixpanel => r#"{"status":1,"error":null}"#.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Success, of};
    use crate::count::occurrences;

    /// Two events as each vendor's client sends them, with what must not be taken for a third.
    const BODIES: [(&str, Success, &str); 8] = [
        (
            "/v1/batch",
            Success::Segment,
            r#"{"writeKey":"k","batch":[{"type":"track","messageId":"a"},{"messageId": "b","userId":"messageId"}]}"#,
        ),
        (
            "/rudder/v1/batch",
            Success::RudderStack,
            r#"{"batch": [{"messageId": "a", "channel": "server"}, {"messageId": "b"}], "sentAt": "now"}"#,
        ),
        (
            "/batch/",
            Success::PostHog,
            r#"{"api_key":"k","batch":[{"event":"e","uuid":"a"},{"event":"uuid","uuid":"b"}]}"#,
        ),
        (
            "/posthog/batch/?compression=none",
            Success::PostHog,
            r#"{"batch": [{"uuid": "a"}, {"uuid": "b"}], "api_key": "k"}"#,
        ),
        ("/i/v1/analytics/events", Success::PostHogV1, r#"{"created_at":"now","batch":[{"uuid":"a"},{"uuid":"b"}]}"#),
        (
            "/2/httpapi",
            Success::Amplitude,
            r#"{"api_key":"k","events":[{"insert_id":"a"},{"event_type":"insert_id","insert_id":"b"}]}"#,
        ),
        ("/batch", Success::Amplitude, r#"{"api_key": "k", "events": [{"insert_id": "a"}, {"insert_id": "b"}]}"#),
        ("/track", Success::Mixpanel, "data=%5B%7B%22%24insert_id%22%3A1%7D%2C%7B%22%24insert_id%22%3A2%7D%5D"),
    ];

    #[test]
    fn each_path_counts_the_events_of_its_vendor() {
        for (path, success, body) in BODIES {
            let vendor = of(path).unwrap_or_else(|| panic!("nobody listens at {path}"));
            assert_eq!(vendor.success, success, "{path}");
            assert_eq!(occurrences(body.as_bytes(), vendor.needle), 2, "{path}");
        }
    }

    #[test]
    fn amplitude_is_told_how_many_events_were_taken() {
        let answer = of("/2/httpapi").map(|vendor| vendor.answer(2));
        assert!(answer.is_some_and(|answer| answer.contains(r#""code":200,"events_ingested":2,"#)));
    }

    #[test]
    fn nobody_listens_elsewhere() {
        for path in ["/", "/v1/track/", "/batches", "/2/httpapi/events"] {
            assert!(of(path).is_none(), "{path}");
        }
    }
}
