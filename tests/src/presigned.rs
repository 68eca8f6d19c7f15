//! A mock of the presigned address of S3 at which CloudFormation waits for the answer of a custom resource.
//!
//! Source: "Custom resource response objects", AWS CloudFormation user guide; "`PutObject`", Amazon S3 API reference.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::http::{Handler, Request, Response, ResponseAction, Server};
use crate::service::{Refusal, Reply, deliver};
use crate::tls::Tls;

/// The part of the address that must never be shown: it is all that a response needs.
pub const SIGNATURE: &str = "0123456789abcdefcanary0123456789abcdef";

/// "The total size of the response body can't exceed 4096 bytes."
const LONGEST_ANSWER: usize = 4096;

/// The address. It ends when it is dropped.
pub struct Presigned {
    state: Arc<State>,
    url: String,
    _server: Server,
}

impl Presigned {
    /// Listens on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(tls: Option<&Tls>) -> Self {
        let state = Arc::new(State { record: Mutex::default(), held: Semaphore::new(0) });
        let server = Server::start(Arc::clone(&state), tls);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let path =
            "arn%3Aaws%3Acloudformation%3Aeu-central-1%3A123456789012%3Astack/triggers/1%7CAttachedTriggers";
        let url = format!("{scheme}://{}/{path}?X-Amz-Signature={SIGNATURE}", server.address());
        Self { state, url, _server: server }
    }

    /// What a request of CloudFormation names as its `ResponseURL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Queues replies for the next attempts, one each.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.record().script.extend(replies);
    }

    /// The answers that were taken, in order.
    #[must_use]
    pub fn answers(&self) -> Vec<Value> {
        self.state.record().answers.clone()
    }

    /// The number of attempts to respond.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.state.record().attempts
    }
}

#[derive(Default)]
struct Record {
    script: VecDeque<Reply>,
    answers: Vec<Value>,
    attempts: usize,
}

struct State {
    record: Mutex<Record>,
    held: Semaphore,
}

impl State {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no holder panics")
    }
}

/// Why S3, or CloudFormation after it, would not take an answer.
fn check(request: &Request) -> Result<Value, Refusal> {
    let refuse = |status, code: &str| Err(Refusal::new(status, code, "refused by the mock"));
    if request.method != "PUT" || !request.target.ends_with(SIGNATURE) {
        return refuse(403, "AccessDenied");
    }
    // Neither was there when the address was signed.
    if request.header("content-type").is_some() || request.header("authorization").is_some() {
        return refuse(403, "SignatureDoesNotMatch");
    }
    if request.header("content-length").is_none() {
        return refuse(411, "MissingContentLength");
    }
    let answer: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let member = |name: &str| answer.get(name).and_then(Value::as_str);
    let text = |name: &str| member(name).is_some_and(|text| !text.is_empty());
    let id = member("PhysicalResourceId").is_some_and(|id| id.len() <= 1024);
    let understood = match member("Status") {
        Some("SUCCESS") => text("StackId") && text("RequestId") && text("LogicalResourceId"),
        Some("FAILED") => text("Reason"),
        _ => false,
    };
    if request.body.len() > LONGEST_ANSWER || !id || !text("PhysicalResourceId") || !understood {
        return refuse(400, "NoAnswerOfACustomResource");
    }
    Ok(answer)
}

impl Handler for State {
    async fn answer(&self, request: Request) -> ResponseAction {
        let checked = check(&request);
        let reply = {
            let mut record = self.record();
            record.attempts += 1;
            let reply = record.script.pop_front().unwrap_or(Reply::Ok);
            if let Ok(answer) = &checked
                && reply.does()
            {
                record.answers.push(answer.clone());
            }
            reply
        };
        let refuse =
            |refusal: &Refusal| Response::new(refusal.status, "application/xml", refusal.code.clone());
        let response =
            checked.map_or_else(|refusal| refuse(&refusal), |_| Response::new(200, "text/plain", ""));
        deliver(reply, Some(response), &refuse, (403, "ExpiredToken"), &self.held).await
    }
}
