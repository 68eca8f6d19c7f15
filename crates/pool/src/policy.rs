//! Resource-based policies of Lambda functions and KMS keys: who may do what, under which conditions.
//!
//! The only reader of such policies: `attach`, `diff` and `doctor` get the same answer from it.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use std::collections::BTreeMap;

use serde_json::Value;

/// A policy of a function or a key.
#[derive(Clone, Debug, Default)]
pub struct Policy(Vec<Statement>);

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement's name.
    sid: Option<String>,
    effect: Effect,
    principals: Principals,
    actions: Actions,
    conditions: Vec<Condition>,
}

/// What a statement does with the requests that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows them.
    Allow,
    /// It denies them, whatever allows them.
    Deny,
}

/// `Principal` or `NotPrincipal`: pairs such as `(Service, cognito-idp.amazonaws.com)`, `(AWS, arn:…)`, `(*, *)`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Principals {
    Only(Vec<(String, String)>),
    AllExcept(Vec<(String, String)>),
}

/// `Action` or `NotAction`: patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Actions {
    Only(Vec<String>),
    AllExcept(Vec<String>),
}

/// A condition key, an operator, and the values of which one must match.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: String,
    /// In lower case: IAM ignores the case of condition keys.
    key: String,
    values: Vec<String>,
}

/// A request that a policy decides about.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `lambda:InvokeFunction`.
    pub action: &'a str,
    /// Who sends it.
    pub principal: Principal<'a>,
    /// The condition keys whose values are known, in lower case.
    pub context: BTreeMap<&'static str, &'a str>,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// An AWS service: `cognito-idp.amazonaws.com`.
    Service(&'a str),
    /// An IAM role.
    Role {
        /// Its ARN.
        arn: &'a str,
        /// The account that it belongs to.
        account: &'a str,
    },
}

/// What a policy decides about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access<'p> {
    /// It allows the request.
    Allowed(AllowedBy<'p>),
    /// This statement denies the request.
    Denied(&'p Statement),
    /// No statement allows the request.
    NotAllowed {
        /// The condition values that statements require instead, such as other user pools.
        allowed_instead: Vec<String>,
    },
    /// The decision depends on a condition that cannot be evaluated.
    Unknown(UnknownBecause<'p>),
}

/// What allows a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedBy<'p> {
    /// These statements of the policy.
    Statements(Vec<&'p Statement>),
    /// The IAM policies of the role's account, if they allow it: the policy delegates the decision to them.
    Iam,
}

/// Why a decision is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownBecause<'p> {
    /// The request is allowed, unless a Deny statement with a condition on this key applies.
    Deny {
        /// The condition key.
        condition_key: &'p str,
        /// What allows the request if the statement does not apply.
        otherwise: AllowedBy<'p>,
    },
    /// The request is allowed only if an Allow statement with a condition on this key applies.
    Allow {
        /// The condition key.
        condition_key: &'p str,
    },
}

/// Whether a policy denies a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial<'p> {
    /// This statement denies it.
    By(&'p Statement),
    /// A Deny statement has a condition on this key, which cannot be evaluated.
    Unknown {
        /// The condition key.
        condition_key: &'p str,
    },
    /// No statement denies it.
    None,
}

/// Whether a statement names a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Itself,
    /// Its account: an Allow leaves the decision to IAM, a Deny holds for every principal of the account.
    Account,
    No,
}

/// Whether conditions hold for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds<'p> {
    Yes,
    /// Only for these values.
    No(&'p [String]),
    /// The condition on this key cannot be evaluated.
    Unknown(&'p str),
}

impl Policy {
    /// Reads a policy document; `None` if the text is not one.
    #[must_use]
    pub fn parse(document: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(document).ok()?;
        Some(Self(list(document.get("Statement")?).iter().filter_map(Statement::parse).collect()))
    }

    /// Whether a statement has this name (`Sid`).
    #[must_use]
    pub fn has_statement(&self, sid: &str) -> bool {
        self.0.iter().any(|statement| statement.sid.as_deref() == Some(sid))
    }

    /// Whether a request is allowed.
    ///
    /// A Deny statement wins over every Allow statement, and one with a condition that cannot be evaluated makes an
    /// allowed request unknown.
    #[must_use]
    pub fn access(&self, request: &Request<'_>) -> Access<'_> {
        let denial = self.denial(request);
        if let Denial::By(statement) = denial {
            return Access::Denied(statement);
        }
        let (mut allowing, mut leaves_to_iam, mut unknown) = (Vec::new(), false, None);
        let mut allowed_instead = Vec::new();
        for (statement, named) in self.applicable(Effect::Allow, request) {
            match (statement.holds(request), named) {
                (Holds::Yes, Named::Account) => leaves_to_iam = true,
                (Holds::Yes, _) => allowing.push(statement),
                (Holds::No(values), _) => allowed_instead.extend(values.iter().cloned()),
                (Holds::Unknown(key), _) => unknown = unknown.or(Some(key)),
            }
        }
        let allowed_by = if !allowing.is_empty() {
            AllowedBy::Statements(allowing)
        } else if leaves_to_iam {
            AllowedBy::Iam
        } else if let Some(condition_key) = unknown {
            return Access::Unknown(UnknownBecause::Allow { condition_key });
        } else {
            allowed_instead.sort();
            allowed_instead.dedup();
            return Access::NotAllowed { allowed_instead };
        };
        match denial {
            Denial::Unknown { condition_key } => {
                Access::Unknown(UnknownBecause::Deny { condition_key, otherwise: allowed_by })
            }
            Denial::By(_) | Denial::None => Access::Allowed(allowed_by),
        }
    }

    /// Whether a request is denied, whatever allows it: this policy, an IAM policy or a grant.
    #[must_use]
    pub fn denial(&self, request: &Request<'_>) -> Denial<'_> {
        let mut denial = Denial::None;
        for (statement, _) in self.applicable(Effect::Deny, request) {
            match statement.holds(request) {
                Holds::Yes => return Denial::By(statement),
                Holds::Unknown(condition_key) if denial == Denial::None => {
                    denial = Denial::Unknown { condition_key };
                }
                Holds::Unknown(_) | Holds::No(_) => {}
            }
        }
        denial
    }

    /// The statements about the request's action and principal, whatever their conditions.
    fn applicable(&self, effect: Effect, request: &Request<'_>) -> impl Iterator<Item = (&Statement, Named)> {
        self.0.iter().filter(move |statement| statement.effect == effect).filter_map(|statement| {
            let named = statement.principals.name(request.principal);
            (named != Named::No && statement.actions.cover(request.action)).then_some((statement, named))
        })
    }
}

impl Statement {
    fn parse(statement: &Value) -> Option<Self> {
        let effect = match statement.get("Effect")?.as_str()? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return None,
        };
        let conditions = statement.get("Condition").map(Condition::parse_all).unwrap_or_default();
        Some(Self {
            sid: statement.get("Sid").and_then(Value::as_str).map(str::to_owned),
            effect,
            principals: match (statement.get("Principal"), statement.get("NotPrincipal")) {
                (Some(principals), _) => Principals::Only(principals_of(principals)),
                (None, Some(principals)) => Principals::AllExcept(principals_of(principals)),
                (None, None) => Principals::Only(Vec::new()),
            },
            actions: match (statement.get("Action"), statement.get("NotAction")) {
                (Some(actions), _) => Actions::Only(texts(actions)),
                (None, Some(actions)) => Actions::AllExcept(texts(actions)),
                (None, None) => Actions::Only(Vec::new()),
            },
            conditions,
        })
    }

    /// Whether it has a condition on this key, given in lower case.
    #[must_use]
    pub fn tests(&self, key: &str) -> bool {
        self.conditions.iter().any(|condition| condition.key == key)
    }

    /// The values for which a Deny statement makes an exception, with operators such as `StringNotEquals`.
    #[must_use]
    pub fn exceptions(&self) -> Vec<String> {
        let negated = self.conditions.iter().filter(|condition| condition.operator.contains("Not"));
        negated.flat_map(|condition| condition.values.iter().cloned()).collect()
    }

    /// Whether all its conditions hold. If one does not, it does not matter that another cannot be evaluated.
    fn holds(&self, request: &Request<'_>) -> Holds<'_> {
        let mut all = Holds::Yes;
        for condition in &self.conditions {
            let actual = request.context.get(condition.key.as_str());
            match actual.and_then(|actual| condition.matches(actual)) {
                Some(false) => return Holds::No(&condition.values),
                None if all == Holds::Yes => all = Holds::Unknown(&condition.key),
                Some(true) | None => {}
            }
        }
        all
    }
}

impl Principals {
    fn name(&self, principal: Principal<'_>) -> Named {
        match self {
            Self::Only(principals) => named(principals, principal),
            Self::AllExcept(principals) if named(principals, principal) == Named::Itself => Named::No,
            Self::AllExcept(_) => Named::Itself,
        }
    }
}

/// `"*"` and `{"AWS": "*"}` mean the same: everyone, also services.
fn named(principals: &[(String, String)], principal: Principal<'_>) -> Named {
    let any = |test: &dyn Fn(&str, &str) -> bool| principals.iter().any(|(kind, name)| test(kind, name));
    let everyone = |kind: &str, name: &str| name == "*" && matches!(kind, "*" | "AWS");
    match principal {
        Principal::Service(service) => {
            if any(&|kind, name| {
                everyone(kind, name) || kind == "Service" && (name == service || name == "*")
            }) {
                Named::Itself
            } else {
                Named::No
            }
        }
        Principal::Role { arn, account } => {
            let root = format!(":iam::{account}:root");
            if any(&|kind, name| everyone(kind, name) || kind == "AWS" && name == arn) {
                Named::Itself
            } else if any(&|kind, name| kind == "AWS" && (name == account || name.ends_with(&root))) {
                Named::Account
            } else {
                Named::No
            }
        }
    }
}

fn principals_of(principals: &Value) -> Vec<(String, String)> {
    match principals {
        Value::Object(kinds) => kinds
            .iter()
            .flat_map(|(kind, names)| texts(names).into_iter().map(|name| (kind.clone(), name)))
            .collect(),
        Value::String(name) => vec![("*".to_owned(), name.clone())],
        _ => Vec::new(),
    }
}

impl Actions {
    /// IAM ignores the case of actions.
    fn cover(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| matches_pattern(&pattern.to_ascii_lowercase(), &action))
        };
        match self {
            Self::Only(patterns) => any(patterns),
            Self::AllExcept(patterns) => !any(patterns),
        }
    }
}

impl Condition {
    fn parse_all(conditions: &Value) -> Vec<Self> {
        // A condition of a form that AWS does not document must not vanish: the statement would apply to everyone.
        let unreadable =
            |text: &str| vec![Self { operator: String::new(), key: text.to_owned(), values: Vec::new() }];
        let Some(operators) = conditions.as_object() else { return unreadable("Condition") };
        let parse = |(operator, keys): (&String, &Value)| match keys.as_object() {
            None => unreadable(operator),
            Some(keys) => keys
                .iter()
                .map(|(key, values)| Self {
                    operator: operator.clone(),
                    key: key.to_ascii_lowercase(),
                    values: texts(values),
                })
                .collect(),
        };
        operators.iter().flat_map(parse).collect()
    }

    /// Whether a value fulfills it; `None` if the operator is not known here, or a value contains a policy variable.
    ///
    /// `ForAnyValue:` and `ForAllValues:` make no difference to a key that has one value.
    ///
    /// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
    fn matches(&self, actual: &str) -> Option<bool> {
        let operator = self.operator.strip_suffix("IfExists").unwrap_or(&self.operator);
        let operator = operator
            .strip_prefix("ForAnyValue:")
            .or_else(|| operator.strip_prefix("ForAllValues:"))
            .unwrap_or(operator);
        if self.values.iter().any(|value| value.contains("${")) {
            return None;
        }
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        Some(match operator {
            "StringEquals" => any(&|value| value == actual),
            "StringNotEquals" => !any(&|value| value == actual),
            "StringEqualsIgnoreCase" => any(&|value| value.eq_ignore_ascii_case(actual)),
            "StringNotEqualsIgnoreCase" => !any(&|value| value.eq_ignore_ascii_case(actual)),
            "StringLike" | "ArnLike" | "ArnEquals" => any(&|value| matches_pattern(value, actual)),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(&|value| matches_pattern(value, actual)),
            _ => return None,
        })
    }
}

/// One value or several: IAM accepts both.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

/// The texts in one value or several; IAM also accepts `true` and `7` for `"true"` and `"7"`.
fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    list(value).iter().filter_map(text).collect()
}

/// Whether a pattern with `*` (any text) and `?` (any character) matches the whole text.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut in_pattern, mut in_text) = (0, 0);
    // Where the last `*` is, and the end of the text that it matches so far.
    let mut star = None;
    while let Some(character) = text.get(in_text) {
        match pattern.get(in_pattern) {
            Some('*') => {
                star = Some((in_pattern, in_text));
                in_pattern += 1;
            }
            Some(expected) if *expected == '?' || expected == character => {
                in_pattern += 1;
                in_text += 1;
            }
            _ => {
                let Some((position, end)) = star else { return false };
                star = Some((position, end + 1));
                (in_pattern, in_text) = (position + 1, end + 1);
            }
        }
    }
    pattern.iter().skip(in_pattern).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/sender";

    /// The decision, without the statements that it follows from.
    fn decision(access: &Access<'_>) -> String {
        let by = |allowed: &AllowedBy<'_>| match allowed {
            AllowedBy::Statements(_) => "allowed",
            AllowedBy::Iam => "left to IAM",
        };
        match access {
            Access::Allowed(allowed) => by(allowed).to_owned(),
            Access::Denied(_) => "denied".to_owned(),
            Access::NotAllowed { allowed_instead } => format!("not allowed {}", allowed_instead.join(" ")),
            Access::Unknown(UnknownBecause::Allow { condition_key }) => format!("allowed if {condition_key}"),
            Access::Unknown(UnknownBecause::Deny { condition_key, otherwise }) => {
                format!("{} unless {condition_key}", by(otherwise))
            }
        }
    }

    #[track_caller]
    fn check(statements: &Value, principal: Principal<'_>, expected: &str) {
        let policy = Policy::parse(&json!({ "Statement": statements }).to_string()).unwrap();
        let request = Request {
            action: "lambda:InvokeFunction",
            principal,
            context: BTreeMap::from([("aws:sourcearn", "arn:pool"), ("aws:sourceaccount", "1")]),
        };
        assert_eq!(decision(&policy.access(&request)).trim(), expected, "{statements}");
    }

    fn for_service(statements: &Value, expected: &str) {
        check(statements, Principal::Service("s.amazonaws.com"), expected);
    }

    fn for_role(statements: &Value, expected: &str) {
        check(statements, Principal::Role { arn: ROLE, account: "123456789012" }, expected);
    }

    fn statement(effect: &str, condition: &Value) -> Value {
        json!({ "Effect": effect, "Principal": "*", "Action": "lambda:*", "Condition": condition })
    }

    #[test]
    fn a_statement_names_services_roles_accounts_or_everyone() {
        let allow = |principal: Value| json!({ "Effect": "Allow", "Principal": principal, "Action": "lambda:InvokeFunction" });
        for_service(&allow(json!({ "Service": "s.amazonaws.com" })), "allowed");
        for_service(&allow(json!({ "Service": ["t.amazonaws.com", "s.amazonaws.com"] })), "allowed");
        for_service(&allow(json!({ "Service": "t.amazonaws.com" })), "not allowed");
        for_service(&allow(json!({ "AWS": ROLE })), "not allowed");
        for everyone in [json!("*"), json!({ "AWS": "*" })] {
            for_service(&allow(everyone.clone()), "allowed");
            for_role(&allow(everyone), "allowed");
        }
        for_role(&allow(json!({ "AWS": ROLE })), "allowed");
        for_role(&allow(json!({ "AWS": "123456789012" })), "left to IAM");
        for_role(&allow(json!({ "AWS": "arn:aws:iam::123456789012:root" })), "left to IAM");
        for_role(&allow(json!({ "AWS": "arn:aws:iam::111122223333:root" })), "not allowed");
        for_role(&allow(json!({ "Service": ROLE })), "not allowed");
    }

    #[test]
    fn not_principal_and_not_action_mean_all_others() {
        let deny = |principal: Value| json!([statement("Allow", &json!({})), { "Effect": "Deny", "NotPrincipal": principal, "Action": "*" }]);
        for_service(&deny(json!({ "AWS": ROLE })), "denied");
        for_service(&deny(json!({ "Service": "s.amazonaws.com" })), "allowed");
        for_role(&deny(json!({ "AWS": ROLE })), "allowed");
        for_role(&deny(json!({ "AWS": "arn:aws:iam::123456789012:role/another" })), "denied");
        let allow = |actions: Value| json!({ "Effect": "Allow", "Principal": "*", "NotAction": actions });
        for_service(&allow(json!("lambda:GetFunction")), "allowed");
        for_service(&allow(json!(["lambda:GetFunction", "LAMBDA:Invoke*"])), "not allowed");
    }

    #[test]
    fn actions_match_in_any_case() {
        let allow = |action: &str| json!({ "Effect": "Allow", "Principal": "*", "Action": [action] });
        for_service(&allow("LAMBDA:invoke*"), "allowed");
        for_service(&allow("lambda:GetPolicy"), "not allowed");
    }

    #[track_caller]
    fn check_condition(operator: &str, value: &str, expected: &str) {
        for_service(&statement("Allow", &json!({ operator: { "AWS:SourceArn": value } })), expected);
    }

    #[test]
    fn a_condition_holds_does_not_or_is_unknown() {
        check_condition("StringEquals", "arn:pool", "allowed");
        check_condition("StringEquals", "arn:*", "not allowed arn:*");
        check_condition("StringLike", "arn:*", "allowed");
        check_condition("ArnEquals", "arn:p??l", "allowed");
        check_condition("ArnLikeIfExists", "arn:other", "not allowed arn:other");
        check_condition("ForAnyValue:StringLike", "arn:*", "allowed");
        check_condition("ForAllValues:StringEquals", "arn:pool", "allowed");
        check_condition("StringNotEquals", "arn:other", "allowed");
        check_condition("StringNotLike", "arn:*", "not allowed arn:*");
        check_condition("StringEqualsIgnoreCase", "ARN:POOL", "allowed");
        check_condition("Bool", "true", "allowed if aws:sourcearn");
        check_condition("StringEquals", "${aws:PrincipalArn}", "allowed if aws:sourcearn");
    }

    #[test]
    fn one_failing_condition_is_enough_whatever_the_others_are() {
        let unknown = json!({ "aws:SecureTransport": "true" });
        let other = json!({ "aws:SourceArn": "arn:other" });
        for condition in
            [json!({ "Bool": unknown, "ArnLike": other }), json!({ "ArnLike": other, "Bool": unknown })]
        {
            for_service(&statement("Allow", &condition), "not allowed arn:other");
        }
    }

    #[test]
    fn a_deny_whose_condition_is_not_understood_is_never_forgotten() {
        let allow = statement("Allow", &json!({ "ArnLike": { "aws:SourceArn": "arn:pool" } }));
        let unknown = json!({ "Bool": { "aws:SecureTransport": false } });
        let (deny, allow_if) = (statement("Deny", &unknown), statement("Allow", &unknown));
        for_service(&json!([deny, allow]), "allowed unless aws:securetransport");
        for_service(&json!([allow, deny]), "allowed unless aws:securetransport");
        for_service(&json!([allow_if, allow]), "allowed");
        for_service(&json!([allow_if]), "allowed if aws:securetransport");
        for_service(&json!([deny]), "not allowed");
        for_service(&json!([allow, deny, statement("Deny", &json!({}))]), "denied");
        let iam = json!({ "Effect": "Allow", "Principal": { "AWS": "123456789012" }, "Action": "*" });
        for_role(&json!([iam, deny]), "left to IAM unless aws:securetransport");
        // A condition in a form that is not documented is not understood either.
        for odd in [json!("Bool"), json!({ "Bool": [] })] {
            for_service(
                &statement("Allow", &odd),
                if odd.is_string() { "allowed if Condition" } else { "allowed if Bool" },
            );
        }
    }

    #[test]
    fn a_deny_statement_wins_for_every_principal_of_its_account() {
        let allow = json!({ "Effect": "Allow", "Principal": { "AWS": ROLE }, "Action": "*" });
        let deny = json!({ "Effect": "Deny", "Principal": { "AWS": "123456789012" }, "Action": "*" });
        for_role(&json!([allow, deny]), "denied");
    }

    #[test]
    fn a_text_that_is_not_a_policy_allows_nothing() {
        for text in ["", "[]", "{}", "7", r#"{"Version":"2012-10-17"}"#] {
            assert!(Policy::parse(text).is_none(), "{text}");
        }
        for_service(
            &json!([1, {}, { "Effect": "Allow" }, { "Effect": "Perhaps", "Principal": "*" }]),
            "not allowed",
        );
    }

    #[test]
    fn wildcards_match_as_iam_documents_them() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("abc", "abc", true),
            ("abc", "a?c", true),
            ("ac", "a?c", false),
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "*b*", true),
            ("abc", "**", true),
            ("abc", "a?", false),
            ("abc", "b*", false),
            ("abc", "abcd", false),
            ("abbc", "a*c", true),
            ("a-b-b-c", "a*b*c", true),
            ("abcd", "a*c", false),
            ("aaab", "*aab", true),
            ("arn:aws:userpool/eu_1", "arn:*:userpool/*", true),
            ("userpool/x", "userpool", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{text} {pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[{}\\[\\]\":a-zA-Z,*]{0,80}") {
            let _ = Policy::parse(&text);
        }

        #[test]
        fn every_text_matches_itself_and_a_star(text in "[a-z/:-]{0,20}") {
            prop_assert!(matches_pattern(&text, &text));
            prop_assert!(matches_pattern("*", &text));
            let (pattern, longer) = (format!("{text}*"), format!("{text}more"));
            prop_assert!(matches_pattern(&pattern, &longer));
        }
    }
}
