//! A sender with everything it calls: KMS, the service that it sends through, and the table.

use shared::outcome::ErrorType;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tests::dynamodb::DynamoDb;
use tests::end_user_messaging::EndUserMessaging;
use tests::envelope_writer::SealSuite;
use tests::event::{fixture, sealed_event};
use tests::function::{Function, Invocation};
use tests::kms::{KEY_ARN, Kms};
use tests::service::{Protocol, Reply, Service};
use tests::ses::Ses;
use tests::sns::Sns;
use tokio::sync::Semaphore;

use crate::fixtures::settings;

const TABLE: &str = "deliveries";
const POOL: &str = "eu-central-1_Example01";

/// What a sender sends through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Ses,
    /// SES with a second configuration set to fall back on.
    SesTwice,
    Sns,
    EndUserMessaging,
}

impl Channel {
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Ses | Self::SesTwice => "custom-email-sender",
            Self::Sns | Self::EndUserMessaging => "custom-sms-sender",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ses => "SES",
            Self::SesTwice => "SES with a fallback",
            Self::Sns => "SNS",
            Self::EndUserMessaging => "End User Messaging",
        }
    }

    fn settings(self) -> Vec<(&'static str, &'static str)> {
        let mut settings = settings(self.function());
        match self {
            Self::Ses | Self::Sns => {}
            Self::SesTwice => settings.push(("SES_FALLBACK_CONFIGURATION_SET", "reserve")),
            Self::EndUserMessaging => {
                settings.retain(|(name, _)| !["SMS_SENDER_ID", "SMS_ORIGINATION_NUMBER"].contains(name));
                let pool = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-1234";
                settings.extend([("SMS_PROVIDER", "end-user-messaging"), ("SMS_ORIGINATION_IDENTITY", pool)]);
            }
        }
        settings.push(("DELIVERY_TABLE", TABLE));
        settings
    }

    /// The number of counters that the default SMS limits have for a message.
    pub(crate) fn counters(self) -> usize {
        match self {
            Self::Ses | Self::SesTwice => 0,
            Self::Sns | Self::EndUserMessaging => 4,
        }
    }

    /// The calls of the table in an invocation that sends at the first attempt: claim, counters, settle.
    pub(crate) fn table_calls(self) -> usize {
        self.counters() + 2
    }

    /// An event with a newly encrypted code, and so a new message.
    pub(crate) fn event(self) -> Value {
        let template = fixture(&format!("{}-sign-up", self.function()));
        sealed_event(&template, "123456", POOL, SealSuite::Signed0378)
    }
}

/// A mock of any protocol.
pub(crate) trait MockService: Send + Sync {
    fn endpoint(&self) -> (&'static str, &str);
    fn script(&self, replies: Vec<Reply>);
    fn clear(&self);
    fn attempts(&self) -> usize;
    fn accepted(&self) -> usize;
    fn held(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn close(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn open(&mut self);
}

impl<P: Protocol> MockService for Service<P> {
    fn endpoint(&self) -> (&'static str, &str) {
        Self::endpoint(self)
    }

    fn script(&self, replies: Vec<Reply>) {
        Self::script(self, replies);
    }

    fn clear(&self) {
        Self::clear(self);
    }

    fn attempts(&self) -> usize {
        Self::attempts(self)
    }

    fn accepted(&self) -> usize {
        Self::accepted(self).len()
    }

    fn held(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Self::held(self))
    }

    fn close(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Self::close(self))
    }

    fn open(&mut self) {
        Self::open(self);
    }
}

/// The function and the services that it calls.
pub(crate) struct Stage {
    pub(crate) channel: Channel,
    pub(crate) kms: Kms,
    pub(crate) send: Box<dyn MockService>,
    pub(crate) table: DynamoDb,
    pub(crate) function: Function,
}

/// How long the first message of a process may take. The deadlines that the tests are about begin with the second one.
const COLD_DEADLINE: Duration = Duration::from_mins(1);

/// Lets one process start at a time. A start takes much CPU time, and a dozen of them together would hold up the
/// processes that have started for longer than the timeouts that the tests are about.
static ONE_START: Semaphore = Semaphore::const_new(1);

impl Stage {
    /// Starts the services, and a function that has sent its first message.
    ///
    /// A cold process connects to each service and builds its clients. On a busy machine this takes longer than the
    /// sender waits for the table, so a cold process may repeat a call that no test expects. A warm one doesn't.
    pub(crate) async fn start(channel: Channel) -> Self {
        let kms = Kms::start(KEY_ARN, None);
        let send: Box<dyn MockService> = match channel {
            Channel::Ses | Channel::SesTwice => Box::new(Ses::start(None)),
            Channel::Sns => Box::new(Sns::start(None)),
            Channel::EndUserMessaging => Box::new(EndUserMessaging::start(None)),
        };
        let table = DynamoDb::start(TABLE, None);
        let one_start = ONE_START.acquire().await.expect("it is never closed");
        let function = process(channel, &kms, &*send, &table);
        let stage = Self { channel, kms, send, table, function };
        stage.warm_up(&stage.function).await;
        drop(one_start);
        stage
    }

    /// One more warm process of the function, with the same services. The services forget everything.
    pub(crate) async fn process(&self) -> Function {
        let _one_start = ONE_START.acquire().await.expect("it is never closed");
        let function = process(self.channel, &self.kms, &*self.send, &self.table);
        self.warm_up(&function).await;
        function
    }

    /// Lets a process send one message, of which no trace remains.
    async fn warm_up(&self, function: &Function) {
        let event = self.channel.event().to_string();
        let invocation = function.invoke_within(COLD_DEADLINE, event).await;
        assert_eq!(ending(function, &invocation), "well", "the first message");
        self.clear();
        self.table.empty();
    }

    /// The services forget their calls and what is left of their scripts. The table keeps its items.
    pub(crate) fn clear(&self) {
        for service in [&self.kms as &dyn MockService, &*self.send, &self.table] {
            service.clear();
        }
    }

    /// The delivery records, as `done: sent` or `claimed`.
    pub(crate) fn records(&self) -> Vec<String> {
        let text = |item: &Value, name: &str| item[name]["S"].as_str().map(str::to_owned);
        let name = |item: Value| {
            let state = text(&item, "state").expect("a record has a state");
            text(&item, "outcome").map_or(state.clone(), |outcome| format!("{state}: {outcome}"))
        };
        self.items().map(name).collect()
    }

    /// Ends all leases.
    pub(crate) fn end_leases(&self) {
        for mut item in self.items() {
            if !item["lease_until"].is_null() {
                item["lease_until"] = json!({ "N": "1" });
                self.table.put(&item);
            }
        }
    }

    fn items(&self) -> impl Iterator<Item = Value> {
        let record = |item: &Value| item["id"]["S"].as_str().is_some_and(|id| id.starts_with("delivery#"));
        self.table.items().into_iter().filter(record)
    }
}

fn process(channel: Channel, kms: &Kms, send: &dyn MockService, table: &DynamoDb) -> Function {
    let settings: Vec<_> =
        channel.settings().into_iter().chain([kms.endpoint(), send.endpoint(), table.endpoint()]).collect();
    Function::start(channel.function(), &settings)
}

/// How an invocation ends while another one is sending the same message.
pub(crate) const IN_PROGRESS: &str = ErrorType::DeliveryInProgress.name();

/// How an invocation ended, in a word: `well`, [`IN_PROGRESS`], or the class of the failure in the log.
pub(crate) fn ending(function: &Function, invocation: &Invocation) -> String {
    match invocation {
        Invocation::Ok(_) => "well".to_owned(),
        Invocation::Err { error_type, .. } => {
            let field = |line: &str| {
                let line: Value = serde_json::from_str(line).ok()?;
                line["error.class"].as_str().map(str::to_owned)
            };
            let class = function.lines().iter().rev().find_map(|line| field(line));
            match error_type.as_str() {
                IN_PROGRESS => error_type.clone(),
                _ => class.unwrap_or_else(|| panic!("no class in the log: {:?}", function.lines())),
            }
        }
        other => panic!("{other:?}: {:?}", function.lines()),
    }
}

/// Plays each case in its own task, 12 at a time because most of them wait, and returns the results in the order of
/// the cases.
pub(crate) async fn side_by_side<C, R, F>(cases: Vec<C>, play: impl Fn(C) -> F) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(12));
    let tasks: Vec<_> = cases
        .into_iter()
        .map(|case| {
            let (places, case) = (Arc::clone(&places), play(case));
            tokio::spawn(async move {
                let _place = places.acquire().await.expect("it is never closed");
                case.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    results
}
