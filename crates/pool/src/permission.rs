//! Whether Cognito may invoke a function, and the statement that lets it.

use serde_json::{Map, Value};

use crate::aws::{CallError, Clients, Kind};
use crate::description::Description;
use crate::triggers::split_qualifier;

/// What a function's policy says about Cognito and one user pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This pool may invoke it.
    Allowed,
    /// This pool may invoke it, and so may any other one: no `SourceArn` narrows it down.
    AnyPool,
    /// This pool may not invoke it.
    Missing,
    /// A statement forbids it, whatever else there is.
    Denied,
}

/// The statement that [`grant`] adds to a function's policy for a pool, and [`revoke`] takes out again.
#[must_use]
pub fn statement_id(pool_id: &str) -> String {
    format!("cognito-triggers-{pool_id}")
}

/// Reads the policy of a function.
///
/// # Errors
/// When Lambda does not show it.
pub async fn check(clients: &Clients, function: &str, pool: &Description) -> Result<Verdict, CallError> {
    let (function, qualifier) = split_qualifier(function);
    let policy = clients.policy(function, qualifier).await?;
    Ok(policy.map_or(Verdict::Missing, |policy| verdict(&policy, pool)))
}

/// Lets Cognito invoke a function for this pool, unless it may already. Tells whether a statement was added.
///
/// # Errors
/// When Lambda does not take it.
pub async fn grant(clients: &Clients, function: &str, pool: &Description) -> Result<bool, CallError> {
    // Where it is forbidden, a further statement changes nothing.
    if check(clients, function, pool).await? != Verdict::Missing {
        return Ok(false);
    }
    let name = statement_id(pool.id());
    let function = split_qualifier(function);
    match clients.add_permission(function, &name, pool).await {
        // A statement of that name that does not allow it was changed by hand.
        Err(error) if error.kind() == Kind::Conflict => {
            clients.remove_permission(function, &name).await?;
            clients.add_permission(function, &name, pool).await?;
        }
        result => result?,
    }
    Ok(true)
}

/// Takes out the statement that [`grant`] added, and no other. Tells whether it was there.
///
/// # Errors
/// When Lambda does not take it out.
pub async fn revoke(clients: &Clients, function: &str, pool: &Description) -> Result<bool, CallError> {
    clients.remove_permission(split_qualifier(function), &statement_id(pool.id())).await
}

/// Whether the statement that [`grant`] adds is there.
///
/// # Errors
/// When Lambda does not show the policy.
pub async fn is_granted(clients: &Clients, function: &str, pool: &Description) -> Result<bool, CallError> {
    let (function, qualifier) = split_qualifier(function);
    let policy = clients.policy(function, qualifier).await?.unwrap_or_default();
    let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
    let name = statement_id(pool.id());
    Ok(list(policy.get("Statement")).iter().any(|one| one.get("Sid").is_some_and(|sid| *sid == *name)))
}

/// What a policy says about Cognito and this pool.
#[must_use]
pub fn verdict(policy: &str, pool: &Description) -> Verdict {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = || list(policy.get("Statement")).iter().filter(|statement| concerns(statement));
    let says = |effect: &str, wanted: Scope| {
        statements().any(|statement| {
            statement.get("Effect").is_some_and(|value| value == effect) && scope(statement, pool) == wanted
        })
    };
    if says("Deny", Scope::ThisPool) || says("Deny", Scope::AnyPool) {
        Verdict::Denied
    } else if says("Allow", Scope::ThisPool) {
        Verdict::Allowed
    } else if says("Allow", Scope::AnyPool) {
        Verdict::AnyPool
    } else {
        Verdict::Missing
    }
}

/// For which callers a statement holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    ThisPool,
    AnyPool,
    /// Others, or a condition that is not understood.
    Other,
}

/// Whether a statement is about Cognito invoking the function.
fn concerns(statement: &Value) -> bool {
    let principal = statement.get("Principal");
    let service = principal.and_then(|principal| principal.get("Service")).or(principal);
    list(service).iter().any(|name| name == "cognito-idp.amazonaws.com" || name == "*")
        && list(statement.get("Action"))
            .iter()
            .filter_map(Value::as_str)
            .any(|action| matches("lambda:invokefunction", &action.to_ascii_lowercase()))
}

/// Every condition has to hold; one with an unknown operator or key does not.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
fn scope(statement: &Value, pool: &Description) -> Scope {
    let none = Map::new();
    let conditions = statement.get("Condition").and_then(Value::as_object).unwrap_or(&none);
    let mut scope = Scope::AnyPool;
    for (operator, keys) in conditions {
        let patterns = match operator.trim_end_matches("IfExists") {
            "ArnLike" | "ArnEquals" | "StringLike" => true,
            "StringEquals" => false,
            _ => return Scope::Other,
        };
        for (key, values) in keys.as_object().unwrap_or(&none) {
            let arn = key.eq_ignore_ascii_case("aws:SourceArn");
            let actual = match arn {
                true => pool.arn(),
                false if key.eq_ignore_ascii_case("aws:SourceAccount") => pool.account(),
                false => return Scope::Other,
            };
            let holds = |value: &str| if patterns { matches(actual, value) } else { actual == value };
            if !list(Some(values)).iter().filter_map(Value::as_str).any(holds) {
                return Scope::Other;
            }
            if arn {
                scope = Scope::ThisPool;
            }
        }
    }
    scope
}

/// One value, or several: IAM writes both.
fn list(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(values)) => values,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
}

/// `*` stands for any text, `?` for any character.
fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
    // Whether the text so far matches the first so many characters of the pattern.
    let mut row = vec![true];
    row.extend(pattern.iter().scan(true, |all, character| {
        *all &= *character == '*';
        Some(*all)
    }));
    for character in text {
        let mut next = vec![false];
        for (wanted, pair) in pattern.iter().zip(row.windows(2)) {
            let [shorter, same] = pair else { continue };
            let before = next.last().copied().unwrap_or_default();
            next.push(match wanted {
                '*' => before || *same,
                '?' => *shorter,
                wanted => *shorter && *wanted == character,
            });
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:triggers-pre-sign-up";
    const ARN: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01";

    fn pool() -> Description {
        let pool = json!({ "UserPool": { "Id": "eu-central-1_Example01", "Arn": ARN } });
        Description::parse(pool.to_string().as_bytes()).unwrap()
    }

    fn statement(condition: &Value) -> Value {
        json!({
            "Effect": "Allow",
            "Principal": { "Service": "cognito-idp.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": FUNCTION,
            "Condition": condition,
        })
    }

    #[track_caller]
    fn check(statements: &Value, expected: Verdict) {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        assert_eq!(verdict(&policy.to_string(), &pool()), expected, "{statements}");
    }

    #[test]
    fn a_statement_for_this_pool_allows_it() {
        for condition in [
            json!({ "ArnLike": { "AWS:SourceArn": ARN }, "StringEquals": { "AWS:SourceAccount": "123456789012" } }),
            json!({ "ArnEquals": { "aws:sourcearn": [ARN, "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/b"] } }),
            json!({ "StringEquals": { "AWS:SourceArn": ARN } }),
            json!({ "StringLike": { "AWS:SourceArn": "arn:aws:cognito-idp:*:123456789012:userpool/*_Example0?" } }),
            json!({ "ArnLikeIfExists": { "AWS:SourceArn": ARN } }),
        ] {
            check(&json!([statement(&condition)]), Verdict::Allowed);
            check(&statement(&condition), Verdict::Allowed);
        }
    }

    #[test]
    fn a_statement_for_somebody_else_does_not() {
        for condition in [
            json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/another" } }),
            json!({ "StringEquals": { "AWS:SourceArn": "arn:aws:cognito-idp:*" } }),
            json!({ "ArnLike": { "AWS:SourceArn": ARN }, "StringEquals": { "AWS:SourceAccount": "210987654321" } }),
            json!({ "ArnLike": { "AWS:SourceArn": ARN }, "Bool": { "aws:SecureTransport": "true" } }),
            json!({ "ArnLike": { "AWS:SourceArn": ARN }, "StringEquals": { "aws:PrincipalOrgID": "o-example" } }),
            json!({ "ArnNotLike": { "AWS:SourceArn": ARN } }),
        ] {
            check(&json!([statement(&condition)]), Verdict::Missing);
        }
        let mut other = statement(&json!({}));
        other["Principal"] = json!({ "Service": "s3.amazonaws.com" });
        check(&json!([other]), Verdict::Missing);
        let mut other = statement(&json!({}));
        other["Action"] = json!("lambda:GetFunction");
        check(&json!([other]), Verdict::Missing);
        check(&json!([]), Verdict::Missing);
        assert_eq!(verdict("no policy", &pool()), Verdict::Missing);
    }

    #[test]
    fn a_statement_that_names_no_pool_lets_any_one_in() {
        check(&json!([statement(&json!({}))]), Verdict::AnyPool);
        check(
            &statement(&json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } })),
            Verdict::AnyPool,
        );
        let mut anybody = statement(&json!({}));
        (anybody["Principal"], anybody["Action"]) = (json!("*"), json!(["lambda:*"]));
        check(&json!([anybody]), Verdict::AnyPool);
        check(
            &json!([anybody, statement(&json!({ "ArnLike": { "AWS:SourceArn": ARN } }))]),
            Verdict::Allowed,
        );
    }

    #[test]
    fn a_denial_wins() {
        let allow = statement(&json!({ "ArnLike": { "AWS:SourceArn": ARN } }));
        let mut deny = statement(&json!({}));
        deny["Effect"] = json!("Deny");
        check(&json!([allow, deny]), Verdict::Denied);
        deny["Condition"] =
            json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:cognito-idp:*:*:userpool/another" } });
        check(&json!([allow, deny]), Verdict::Allowed);
    }

    #[test]
    fn wildcards_match_as_iam_has_them() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("abc", "abc", true),
            ("abc", "a?c", true),
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "*b*", true),
            ("abc", "**", true),
            ("abc", "a?", false),
            ("abc", "b*", false),
            ("abc", "abcd", false),
            ("aaab", "*aab", true),
        ] {
            assert_eq!(matches(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn the_statement_has_a_name_that_lambda_takes() {
        let name = statement_id(pool().id());
        assert_eq!(name, "cognito-triggers-eu-central-1_Example01");
        assert!(
            name.len() <= 100 && name.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
        );
    }
}
