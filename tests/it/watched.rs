//! A function with mocks of all services, and with everything that it writes and sends kept for inspection.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use client::aws::Service;
use serde_json::Value;
use shared::metric::Metric;
use tests::canary::assert_absent;
use tests::dynamodb::DynamoDb;
use tests::end_user_messaging::EndUserMessaging;
use tests::function::{Function, Init, Invocation};
use tests::kms::{KEY_ARN, Kms};
use tests::metrics::{Emf, parse};
use tests::service::Reply;
use tests::ses::Ses;
use tests::sns::Sns;

use crate::fixtures::settings;

/// The name of the table.
pub(crate) const TABLE: &str = "deliveries";

/// The origination identity of End User Messaging. The template's tests use the same one.
pub(crate) const IDENTITY: &str =
    "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-0123456789abcdef0123456789abcdef";

/// Settings that replace SNS with End User Messaging.
pub(crate) const BY_END_USER_MESSAGING: [(&str, &str); 5] = [
    ("SMS_PROVIDER", "end-user-messaging"),
    ("SMS_ORIGINATION_IDENTITY", IDENTITY),
    ("SMS_CONFIGURATION_SET", "codes"),
    ("SMS_SENDER_ID", ""),
    ("SMS_ORIGINATION_NUMBER", ""),
];

/// Settings without SMS limits.
pub(crate) const NO_LIMITS: [(&str, &str); 4] = [
    ("SMS_MAX_PER_NUMBER_HOURLY", "none"),
    ("SMS_MAX_PER_PREFIX_HOURLY", "none"),
    ("SMS_MAX_PER_COUNTRY_DAILY", "none"),
    ("SMS_DAILY_BUDGET_MESSAGES", "none"),
];

/// Every variable that opens logs, as far open as it goes.
const LEVELS: [(&str, &str); 6] = [
    ("RUST_LOG", "trace"),
    ("AWS_LAMBDA_LOG_LEVEL", "TRACE"),
    ("AWS_LAMBDA_LOG_FORMAT", "Text"),
    ("LOG_LEVEL", "debug"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LIB_BACKTRACE", "full"),
];

/// A mock of every service.
pub(crate) struct Services {
    pub(crate) kms: Kms,
    pub(crate) ses: Ses,
    pub(crate) sns: Sns,
    pub(crate) end_user_messaging: EndUserMessaging,
    pub(crate) dynamodb: DynamoDb,
}

impl Services {
    pub(crate) fn start() -> Self {
        Self {
            kms: Kms::start(KEY_ARN, None),
            ses: Ses::start(None),
            sns: Sns::start(None),
            end_user_messaging: EndUserMessaging::start(None),
            dynamodb: DynamoDb::start(TABLE, None),
        }
    }

    pub(crate) fn environment(&self) -> [(&str, &str); 6] {
        [
            self.kms.endpoint(),
            self.ses.endpoint(),
            self.sns.endpoint(),
            self.end_user_messaging.endpoint(),
            self.dynamodb.endpoint(),
            ("DELIVERY_TABLE", TABLE),
        ]
    }

    pub(crate) fn script(&self, service: Service, replies: impl IntoIterator<Item = Reply>) {
        match service {
            Service::Kms => self.kms.script(replies),
            Service::SesV2 => self.ses.script(replies),
            Service::Sns => self.sns.script(replies),
            Service::EndUserMessaging => self.end_user_messaging.script(replies),
            Service::DynamoDb => self.dynamodb.script(replies),
            Service::Other(name) => panic!("no mock of {name}"),
        }
    }

    /// Forgets all calls and what is left of scripts; the table keeps its items.
    pub(crate) fn clear(&self) {
        self.kms.clear();
        self.ses.clear();
        self.sns.clear();
        self.end_user_messaging.clear();
        self.dynamodb.clear();
    }

    /// The requests that send a message, as texts: only these may contain a code and the recipient.
    pub(crate) fn messages(&self) -> Vec<String> {
        let bodies = |bodies: Vec<Value>| bodies.iter().map(Value::to_string).collect::<Vec<_>>();
        let forms = self.sns.calls().into_iter().map(|call| format!("{:?}", call.body));
        bodies(self.ses.calls().into_iter().map(|call| call.body).collect())
            .into_iter()
            .chain(forms)
            .chain(bodies(self.end_user_messaging.calls().into_iter().map(|call| call.body).collect()))
            .collect()
    }

    /// All other data that was sent: the bodies of all requests to KMS and `DynamoDB`, and the headers of all requests.
    pub(crate) fn rest(&self) -> String {
        let mut text = String::new();
        for call in self.kms.calls() {
            let _ = writeln!(text, "KMS: {} {:?}", call.body, call.headers);
        }
        for call in self.dynamodb.calls() {
            let input = Value::Object(call.body.input);
            let _ = writeln!(text, "DynamoDB: {} {input} {:?}", call.body.name, call.headers);
        }
        let of_messages = self
            .ses
            .calls()
            .into_iter()
            .map(|call| call.headers)
            .chain(self.sns.calls().into_iter().map(|call| call.headers))
            .chain(self.end_user_messaging.calls().into_iter().map(|call| call.headers));
        for headers in of_messages {
            let _ = writeln!(text, "a message: {headers:?}");
        }
        text
    }
}

/// A running function, with everything that it prints, reports and sends.
pub(crate) struct Watched {
    pub(crate) function: Function,
    pub(crate) services: Services,
    /// Lines of the start, which belong to no event.
    at_start: usize,
    /// Events that were answered.
    answered: usize,
    /// Errors that were reported to Lambda. Answers are left out: they echo the event to Cognito, as it asks.
    errors: String,
    /// What was sent before the mocks were cleared, except messages.
    sent: String,
}

impl Watched {
    pub(crate) async fn start(name: &str, more: &[(&str, &str)]) -> Self {
        let services = Services::start();
        let environment: Vec<_> = settings(name)
            .into_iter()
            .chain(LEVELS)
            .chain(services.environment())
            .chain(more.iter().copied())
            .collect();
        let function = Function::start(name, &environment);
        assert_eq!(function.init_outcome().await, Init::Ready, "{}", function.stdout());
        let at_start = function.stdout().lines().count();
        Self { function, services, at_start, answered: 0, errors: String::new(), sent: String::new() }
    }

    pub(crate) async fn invoke(&mut self, event: &Value) -> Invocation {
        let outcome = self.function.invoke(event.to_string()).await;
        match &outcome {
            Invocation::Ok(_) => {}
            Invocation::Err { raw, .. } => {
                self.errors.push_str(&String::from_utf8_lossy(raw));
                self.errors.push('\n');
            }
            other => panic!("the function did not answer: {other:?}"),
        }
        self.answered += 1;
        outcome
    }

    /// Invokes with services that do what the request says, after those replies of one of them.
    pub(crate) async fn invoke_with(
        &mut self,
        event: &Value,
        service: Service,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Invocation {
        self.services.script(service, replies);
        let outcome = self.invoke(event).await;
        self.sent.push_str(&self.services.rest());
        self.services.clear();
        outcome
    }

    /// The metrics of all events so far.
    pub(crate) fn metrics(&self) -> Vec<Emf> {
        parse(&self.printed())
    }

    fn printed(&self) -> String {
        self.function
            .stdout()
            .lines()
            .skip(self.at_start)
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// The metrics that the last event counted.
    pub(crate) fn last_metrics(&self) -> BTreeSet<Metric> {
        let last = self.metrics().pop().map(|emf| emf.metrics).unwrap_or_default();
        Metric::ALL.iter().copied().filter(|metric| last.contains_key(metric.name())).collect()
    }

    /// Each event has one line in the log, with its invocation's id, and one line of metrics; nothing else is printed.
    pub(crate) fn assert_two_lines_for_each_event(&self) {
        let printed = self.printed();
        assert_eq!(parse(&printed).len(), self.answered, "one line of metrics for each event: {printed}");
        let lines: Vec<&str> = printed.lines().collect();
        for (index, lines) in lines.chunks(2).enumerate() {
            let logged: Vec<Value> = lines
                .iter()
                .filter(|line| !line.contains("\"_aws\""))
                .map(|line| serde_json::from_str(line).expect("a line in JSON"))
                .collect();
            let id = logged.first().and_then(|line| line["invocation.id"].as_str()).unwrap_or_default();
            let number: Option<usize> = id.rsplit('-').next().and_then(|digits| digits.parse().ok());
            assert!(logged.len() == 1 && number == Some(index + 1), "event {}: {lines:?}", index + 1);
        }
        assert_eq!(lines.len(), 2 * self.answered, "two lines for each event");
    }

    /// Nothing of the secrets is in what the function printed, reported, stored or sent, messages apart.
    pub(crate) async fn assert_nothing_leaked(self, secrets: &[(&str, &str)]) {
        self.assert_two_lines_for_each_event();
        let sent = self.sent + &self.services.rest();
        assert_absent(secrets, &sent);
        assert_absent(secrets, &Value::from(self.services.dynamodb.items()).to_string());
        assert_absent(secrets, &self.errors);
        let output = self.function.stop().await;
        assert_absent(secrets, &output.stdout);
        assert_absent(secrets, &output.stderr);
    }
}
