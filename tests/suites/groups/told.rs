//! What a device is told of `#team`, in words.

use std::time::Duration;

use dunlin_tests::device::Device;
use serde_json::Value;

/// For how long nothing is to come.
const QUIET: Duration = Duration::from_millis(400);

/// What a frame says of the group's log. The mailbox has gaps of its own.
pub(super) fn said(frame: &Value) -> Option<String> {
    if frame["gap"]["log"] == "#team" {
        return Some("gap".to_owned());
    }
    let content = &frame["entry"]["content"];
    let change = || content["membership"]["change"].as_str().or(content["settings"]["change"].as_str());
    let text = content["message"]["text"].as_str().or_else(change);
    (frame["entry"]["log"] == "#team").then(|| text.expect("something").to_owned())
}

/// What comes of the group until this does.
pub(super) async fn until_said(device: &mut Device, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    while all.last().is_none_or(|said| said != last) {
        all.extend(said(&device.next().await.expect("an open socket")));
    }
    all
}

/// What comes of the group until nothing does.
pub(super) async fn all_said(device: &mut Device) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(frame) = device.next_within(QUIET).await {
        all.extend(said(&frame.expect("an open socket")));
    }
    all
}
