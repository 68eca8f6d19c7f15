//! The area `sms`.

use super::Subject;
use super::finding::Finding;

pub(super) async fn look(_subject: &Subject<'_>) -> Vec<Finding> {
    Vec::new()
}
