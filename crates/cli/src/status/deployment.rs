//! What a stack consists of, as far as its numbers are concerned.

use shared::arn::Arn;
use shared::metric::{Metric, Unit};
use shared::trigger::Trigger;

use crate::aws::cloudwatch::{Series, Statistic};
use crate::aws::{AwsError, Kind};
use crate::stack::Stack;

/// How the logical ids of its alarms begin.
pub(super) fn alarms(trigger: Trigger) -> &'static [&'static str] {
    match trigger {
        Trigger::PreSignUp => &["PreSignUp"],
        Trigger::CustomMessage => &["CustomMessage"],
        Trigger::CustomEmailSender => &["CustomEmailSender"],
        Trigger::CustomSmsSender => &["CustomSmsSender", "SmsPumping"],
    }
}

/// Whether the function of a trigger counts this.
pub(super) fn is_counted_by(trigger: Trigger, metric: Metric) -> bool {
    metric.counted_by().contains(&trigger)
}

/// A number of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    /// The function counts it, under the stack's name.
    Own(Metric),
    /// Lambda counts the invocations that failed.
    Errors,
    /// Lambda counts the invocations that it throttled.
    Throttles,
}

impl Counter {
    /// The counters of Lambda.
    pub(super) const OF_LAMBDA: [Self; 2] = [Self::Errors, Self::Throttles];

    /// The name of the metric in CloudWatch.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own(metric) => metric.name(),
            Self::Errors => "Errors",
            Self::Throttles => "Throttles",
        }
    }
}

impl From<Metric> for Counter {
    fn from(metric: Metric) -> Self {
        Self::Own(metric)
    }
}

/// A deployed function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) trigger: Trigger,
    /// Its name in Lambda. CloudFormation makes it up, so it is known from the stack's outputs only.
    pub(super) name: Option<String>,
}

impl Function {
    /// What the function counts, then what Lambda counts under the function's name.
    pub(super) fn counters(&self) -> impl Iterator<Item = Counter> + use<> {
        let of_lambda = self.name.iter().flat_map(|_| Counter::OF_LAMBDA).collect::<Vec<_>>();
        let counted = Metric::of(self.trigger).filter(|metric| metric.unit() == Unit::Count);
        counted.map(Counter::Own).chain(of_lambda)
    }

    fn series(&self, counter: Counter, stack: &str) -> Series {
        let (namespace, dimension) = match (&self.name, counter) {
            (Some(name), Counter::Errors | Counter::Throttles) => {
                ("AWS/Lambda", ("FunctionName", name.clone()))
            }
            _ => (stack, ("Function", self.trigger.package().to_owned())),
        };
        let (namespace, metric) = (namespace.to_owned(), counter.name());
        Series { namespace, metric, dimension: Some(dimension), statistic: Statistic::Sum }
    }
}

/// Who delivers the SMS, and so counts what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SmsService {
    Sns,
    EndUserMessaging,
}

impl SmsService {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sns => "SNS",
            Self::EndUserMessaging => "End User Messaging",
        }
    }

    /// The US dollars that were spent since the month began.
    pub(super) fn spent(self) -> Series {
        let (namespace, metric) = match self {
            // Source: "Monitoring Amazon SNS topics using CloudWatch", Amazon SNS developer guide.
            Self::Sns => ("AWS/SNS", "SMSMonthToDateSpentUSD"),
            // Source: "Monitoring AWS End User Messaging SMS with Amazon CloudWatch", its user guide.
            Self::EndUserMessaging => ("AWS/SMSVoice", "TextMessageMonthlySpend"),
        };
        Series { namespace: namespace.to_owned(), metric, dimension: None, statistic: Statistic::Maximum }
    }
}

/// What there is to ask about.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    /// The stack's name, which is the namespace of its metrics as well.
    pub(super) stack: String,
    pub(super) functions: Vec<Function>,
    /// The URL of the on-failure destination.
    pub(super) queue: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) sms: Option<SmsService>,
    /// The Region whose SES the custom email sender uses, if the stack deploys it.
    pub(super) ses: Option<String>,
}

impl Deployment {
    /// Reads it from the parameters and outputs of a stack in that Region.
    ///
    /// # Errors
    /// When the stack is another one.
    pub(super) fn of(stack: &Stack, region: &str) -> Result<Self, AwsError> {
        let functions: Vec<_> = Trigger::ALL
            .into_iter()
            .filter_map(|trigger| {
                Some(Function { trigger, name: Some(stack.function_name(trigger)?.to_owned()) })
            })
            .collect();
        if functions.is_empty() {
            let text = format!("the stack {} deploys none of the Cognito triggers", stack.name());
            return Err(AwsError::new(Kind::NotFound, text));
        }
        let has = |trigger| functions.iter().any(|function| function.trigger == trigger);
        let sms = match (
            has(Trigger::CustomSmsSender),
            stack.parameter("SmsDelivery"),
            stack.parameter("SmsProvider"),
        ) {
            (true, _, "end-user-messaging") => Some(SmsService::EndUserMessaging),
            (true, ..) | (false, "cognito", _) => Some(SmsService::Sns),
            _ => None,
        };
        let ses_region =
            Some(stack.parameter("SesRegion")).filter(|region| !region.is_empty()).unwrap_or(region);
        Ok(Self {
            ses: has(Trigger::CustomEmailSender).then(|| ses_region.to_owned()),
            queue: stack.queue_url().map(str::to_owned),
            pool: stack.user_pool_id().map(str::to_owned),
            sms,
            functions,
            stack: stack.name().to_owned(),
        })
    }

    /// What is known of a stack without `cloudformation:DescribeStacks`: the metrics under its name, but not the
    /// functions' names in Lambda.
    pub(super) fn by_name_only(stack: &str) -> Self {
        let stack = Arn::parse(stack).and_then(Arn::stack_name).unwrap_or(stack);
        let functions = Trigger::ALL.map(|trigger| Function { trigger, name: None }).into();
        Self { stack: stack.to_owned(), functions, queue: None, pool: None, sms: None, ses: None }
    }

    /// Everything that is counted, function after function, in the order of [`Function::counters`].
    pub(super) fn counted(&self) -> Vec<Series> {
        let of = |function: &Function| {
            function.counters().map(|counter| function.series(counter, &self.stack)).collect::<Vec<_>>()
        };
        self.functions.iter().flat_map(of).collect()
    }

    /// The name of the on-failure destination.
    pub(super) fn queue_name(&self) -> Option<&str> {
        self.queue.as_deref().and_then(|url| url.rsplit('/').next())
    }

    /// The logical id of one of the stack's alarms. `CloudFormation` names a resource `STACK-ID-SUFFIX`, and neither
    /// an id nor a suffix has a dash; so `STACK-OTHER-ID-SUFFIX` belongs to another stack.
    pub(super) fn alarm<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.stack)?.strip_prefix('-')?;
        let (id, suffix) = rest.split_once('-')?;
        (!id.is_empty() && !suffix.contains('-')).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(parameters: &[(&str, &str)], outputs: &[&str]) -> Stack {
        let arn = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-Function-AbC123xYz";
        let outputs: Vec<_> = outputs.iter().map(|output| (*output, arn)).collect();
        Stack::sample("triggers", parameters, &outputs)
    }

    #[test]
    fn the_sms_service_follows_from_who_sends() {
        let check = |parameters: &[(&str, &str)], outputs: &[&str], expected| {
            let found = Deployment::of(&stack(parameters, outputs), "eu-central-1").unwrap();
            assert_eq!(found.sms, expected, "{parameters:?}");
        };
        let (ours, without) =
            (["PreSignUpFunctionArn", "CustomSmsSenderFunctionArn"], ["PreSignUpFunctionArn"]);
        check(&[("SmsDelivery", "none"), ("SmsProvider", "sns")], &without, None);
        check(&[("SmsDelivery", "cognito"), ("SmsProvider", "sns")], &without, Some(SmsService::Sns));
        check(&[("SmsDelivery", "sender"), ("SmsProvider", "sns")], &ours, Some(SmsService::Sns));
        let eum = [("SmsDelivery", "sender"), ("SmsProvider", "end-user-messaging")];
        check(&eum, &ours, Some(SmsService::EndUserMessaging));
    }

    #[test]
    fn another_stack_is_refused() {
        assert!(Deployment::of(&stack(&[], &["Bucket"]), "eu-central-1").is_err());
    }

    #[test]
    fn an_alarm_of_a_stack_with_a_longer_name_is_another_stacks() {
        let triggers = Deployment::by_name_only("triggers");
        assert_eq!(triggers.alarm("triggers-FailedEventsAlarm-1AB2CD3EF4GH5"), Some("FailedEventsAlarm"));
        for other in
            ["triggers-prod-FailedEventsAlarm-1AB2", "triggersFailedEventsAlarm-1AB2", "triggers-", "other"]
        {
            assert_eq!(triggers.alarm(other), None, "{other}");
        }
    }

    #[test]
    fn a_stack_may_be_named_by_its_arn() {
        let arn = "arn:aws:cloudformation:eu-central-1:123456789012:stack/triggers/0123-4567";
        assert_eq!(Deployment::by_name_only(arn).stack, "triggers");
    }
}
