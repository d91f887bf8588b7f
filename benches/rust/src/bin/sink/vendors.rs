//! What each vendor's path is counted by, and what its client takes for success.

use crate::count::Needle;

/// How to count a body's events and how to say that they were taken.
#[derive(Clone, Copy)]
pub(crate) struct Vendor {
    pub(crate) needle: Needle,
    success: Success,
}

#[derive(Clone, Copy)]
enum Success {
    Segment,
    RudderStack,
    PostHog,
    Amplitude,
    Mixpanel,
}

/// The vendor that listens at `path`, by its end: a client may be pointed at any prefix.
pub(crate) fn of(path: &str) -> Option<Vendor> {
    let (needle, success) = match path {
        "/rudder/v1/batch" => (Needle::new("\"messageId\"", 8), Success::RudderStack),
        _ if path.ends_with("/v1/batch") => (Needle::new("\"messageId\"", 8), Success::Segment),
        _ if path.ends_with("/batch/") => (Needle::new("\"uuid\"", 1), Success::PostHog),
        _ if path.ends_with("/2/httpapi") => (Needle::new("\"insert_id\"", 7), Success::Amplitude),
        // Its client sends a form, so the quotes arrive as %22.
        _ if path.ends_with("/track") => (Needle::new("insert_id%22", 6), Success::Mixpanel),
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
            Success::Amplitude => {
                format!(r#"{{"code":200,"events_ingested":{events},"payload_size_bytes":0,"server_upload_time":0}}"#)
            }
            Success::Mixpanel => r#"{"status":1,"error":null}"#.to_owned(),
        }
    }
}
