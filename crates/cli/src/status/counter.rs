//! The numbers of a stack's functions.

use shared::metric::{Metric, Unit};
use shared::trigger::Trigger;

use crate::aws::cloudwatch::{Series, Statistic};
use crate::stack::Stack;

/// A counter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    /// The function's own metric, in the namespace with the stack's name.
    Own(Metric),
    /// Lambda's count of failed invocations.
    Errors,
    /// Lambda's count of throttled invocations.
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

/// The own counters of a trigger's function, then Lambda's, if the function's name is known.
pub(super) fn counters(stack: &Stack, trigger: Trigger) -> Vec<Counter> {
    let of_lambda = stack.function_name(trigger).into_iter().flat_map(|_| Counter::OF_LAMBDA);
    let observability = stack.observability();
    let counted =
        Metric::of(trigger).filter(|metric| metric.unit() == Unit::Count && observability.includes(*metric));
    counted.map(Counter::Own).chain(of_lambda).collect()
}

/// All counters of all functions, in the order of [`counters`].
pub(super) fn all_series(stack: &Stack) -> Vec<Series> {
    let of =
        |trigger| counters(stack, trigger).into_iter().map(move |counter| series(stack, trigger, counter));
    stack.triggers().flat_map(of).collect()
}

fn series(stack: &Stack, trigger: Trigger, counter: Counter) -> Series {
    let (namespace, dimension) = match (stack.function_name(trigger), counter) {
        (Some(name), Counter::Errors | Counter::Throttles) => {
            ("AWS/Lambda", ("FunctionName", name.to_owned()))
        }
        _ => (stack.name(), ("Function", trigger.package().to_owned())),
    };
    let (namespace, metric) = (namespace.to_owned(), counter.name());
    Series { namespace, metric, dimension: Some(dimension), statistic: Statistic::Sum }
}

/// A sum of whole numbers, which AWS returns as a floating-point number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is no count becomes the nearest one"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_never_negative_or_too_large() {
        assert_eq!([-1.0, 0.4, 2.0, f64::NAN, 1e300].map(whole), [0, 0, 2, 0, u64::MAX]);
    }
}
