//! The metrics of the functions: names, units, and which function counts them.
//!
//! The functions write them, `cognito-triggers status` reads them, and tests compare alarms, dashboard and
//! documentation with this list.

use std::fmt;

use crate::trigger::Trigger;

/// The unit of a metric, by CloudWatch's name.
///
/// Source: "`MetricDatum`", Amazon CloudWatch API reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of events.
    Count,
    /// A duration.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's name of the unit.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

const PRE_SIGN_UP: &[Trigger] = &[Trigger::PreSignUp];
const CUSTOM_MESSAGE: &[Trigger] = &[Trigger::CustomMessage];
const EMAIL_SENDER: &[Trigger] = &[Trigger::CustomEmailSender];
const SMS_SENDER: &[Trigger] = &[Trigger::CustomSmsSender];
const SENDERS: &[Trigger] = &[Trigger::CustomEmailSender, Trigger::CustomSmsSender];
const PRE_SIGN_UP_AND_SENDERS: &[Trigger] =
    &[Trigger::PreSignUp, Trigger::CustomEmailSender, Trigger::CustomSmsSender];

/// Gives the enum its names, which are those of its variants, its units and its functions.
macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident: $unit:ident of $functions:ident,)*) => {
        /// What the functions count or time. CloudWatch charges for each metric, so a line has only what happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[$doc])* $metric,)*
        }

        impl Metric {
            /// Every metric.
            pub const ALL: &'static [Self] = &[$(Self::$metric,)*];

            /// The name in CloudWatch.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => stringify!($metric),)*
                }
            }

            /// The unit in CloudWatch.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$metric => Unit::$unit,)*
                }
            }

            /// The triggers whose functions count it.
            #[must_use]
            pub const fn counted_by(self) -> &'static [Trigger] {
                match self {
                    $(Self::$metric => $functions,)*
                }
            }
        }
    };
}

metrics! {
    /// Messages that the provider accepted.
    Sent: Count of SENDERS,
    /// Repeated events whose message was sent or settled before. Nothing was sent.
    Duplicate: Count of SENDERS,
    /// Codes that were no longer valid. Nothing was sent.
    Expired: Count of SENDERS,
    /// Messages that the settings forbid, such as to a denied domain or to a country that isn't allowed.
    Blocked: Count of SENDERS,
    /// SMS that were not sent because a limit was reached.
    PumpingBlocked: Count of SMS_SENDER,
    /// Messages that the provider rejected because of their recipient.
    RecipientFault: Count of SENDERS,
    /// Events that ask for no message.
    NothingToSend: Count of SENDERS,
    /// Failed events for which a retry may succeed.
    FailedTransient: Count of SENDERS,
    /// Events that fail until a setting, a permission or the account is fixed.
    FailedConfiguration: Count of SENDERS,
    /// Events that failed although their message may have been sent.
    FailedAmbiguous: Count of SENDERS,
    /// Events that lack a field which the function needs.
    FailedMalformed: Count of PRE_SIGN_UP_AND_SENDERS,
    /// Events that failed because another invocation is sending the message.
    InProgress: Count of SENDERS,
    /// Events whose earlier invocation ended without a result, so the message may arrive twice.
    TakenOver: Count of SENDERS,
    /// Messages that the second route of the provider sent.
    FallbackUsed: Count of EMAIL_SENDER,
    /// Events whose delivery record could not be read or written.
    RecordUnavailable: Count of SENDERS,
    /// The time to claim the record and to decrypt the code with KMS.
    DecryptMilliseconds: Milliseconds of SENDERS,
    /// The time to render the message.
    RenderMilliseconds: Milliseconds of SENDERS,
    /// The time until the provider answered.
    SendMilliseconds: Milliseconds of SENDERS,
    /// Sign-ups that were confirmed without a code.
    SignUpConfirmed: Count of PRE_SIGN_UP,
    /// Sign-ups that continue with Cognito's code.
    SignUpPassedOn: Count of PRE_SIGN_UP,
    /// Sign-ups that were rejected.
    SignUpRefused: Count of PRE_SIGN_UP,
    /// New users about whom the function doesn't decide: created by an administrator, or by an identity provider.
    SignUpUnchanged: Count of PRE_SIGN_UP,
    /// Messages that Cognito sends with the function's text.
    MessageWritten: Count of CUSTOM_MESSAGE,
    /// Messages that Cognito sends with its own text.
    MessageLeft: Count of CUSTOM_MESSAGE,
}

/// How many of the metrics CloudWatch receives. It charges for each one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Observability {
    /// Those that the alarms of every stack need. The others are fields of the log only.
    Minimal,
    /// All of them.
    #[default]
    Full,
}

impl Observability {
    /// The value of the template's parameter `Observability`, or of the variable `OBSERVABILITY`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "minimal" => Some(Self::Minimal),
            // The template enables traces. To the functions, they make no difference.
            "full" | "full-with-traces" => Some(Self::Full),
            _ => None,
        }
    }

    /// Whether CloudWatch receives this metric.
    #[must_use]
    pub const fn includes(self, metric: Metric) -> bool {
        match self {
            Self::Minimal => matches!(
                metric,
                Metric::Sent | Metric::PumpingBlocked | Metric::SignUpPassedOn | Metric::SignUpRefused
            ),
            Self::Full => true,
        }
    }
}

impl Metric {
    /// The metrics that the function of a trigger counts.
    pub fn of(trigger: Trigger) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |metric| metric.counted_by().contains(&trigger))
    }
}

/// The name.
impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_named_after_its_unit_and_a_count_is_not() {
        for metric in Metric::ALL {
            let duration = metric.name().ends_with(Unit::Milliseconds.name());
            assert_eq!(metric.unit() == Unit::Milliseconds, duration, "{metric}");
        }
    }

    #[test]
    fn every_function_has_metrics_and_every_metric_a_function() {
        for trigger in Trigger::ALL {
            assert!(Metric::of(trigger).count() > 0, "{trigger}");
        }
        for metric in Metric::ALL {
            assert!(!metric.counted_by().is_empty(), "{metric}");
        }
        assert!(Metric::of(Trigger::PreSignUp).any(|metric| metric == Metric::FailedMalformed));
        assert!(!Metric::of(Trigger::CustomSmsSender).any(|metric| metric == Metric::FallbackUsed));
    }
}
