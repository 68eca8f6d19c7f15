//! Policies of resources: who may do what under which conditions, as far as `doctor` has to know.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>

use serde_json::Value;

/// A policy of a function or a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy(Vec<Statement>);

/// One statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) allows: bool,
    /// `(Service, cognito-idp.amazonaws.com)`, `(AWS, arn:…)`, `(*, *)`.
    principals: Vec<(String, String)>,
    /// Whether it names the principals whom it does not concern.
    inverted: bool,
    actions: Vec<String>,
    pub(super) conditions: Vec<Condition>,
}

/// One key of one operator, which one of the values has to fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: String,
    /// In lower case: names of keys differ by that alone in policies that mean the same.
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// What a condition says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConditionResult {
    Fulfilled,
    NotFulfilled,
    /// The operator is unknown here.
    Unknown,
}

impl Policy {
    /// Reads a document.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(document).ok()?;
        Some(Self(
            many(document.get("Statement")?).iter().map(|statement| Statement::new(statement)).collect(),
        ))
    }

    /// The statements about an action.
    pub(super) fn about<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'a Statement> {
        self.0.iter().filter(move |statement| statement.covers(action))
    }
}

impl Statement {
    fn new(statement: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let inverted = statement.get("NotPrincipal");
        let principals = match inverted.or(statement.get("Principal")) {
            Some(Value::Object(kinds)) => kinds
                .iter()
                .flat_map(|(kind, names)| {
                    many(names).into_iter().filter_map(move |name| Some((kind, name.as_str()?)))
                })
                .map(|(kind, name)| (kind.clone(), name.to_owned()))
                .collect(),
            Some(Value::String(name)) => vec![("*".to_owned(), name.clone())],
            _ => Vec::new(),
        };
        let conditions = statement.get("Condition").and_then(Value::as_object);
        let conditions = conditions.into_iter().flatten().flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(|(key, values)| Condition {
                operator: operator.clone(),
                key: key.to_ascii_lowercase(),
                values: many(values).into_iter().filter_map(text).collect(),
            })
        });
        Self {
            allows: statement.get("Effect").and_then(Value::as_str) == Some("Allow"),
            principals,
            inverted: inverted.is_some(),
            // `NotAction` means all others, of which ours is nearly always one.
            actions: match statement.get("Action") {
                Some(actions) => many(actions).into_iter().filter_map(text).collect(),
                None => vec!["*".to_owned()],
            },
            conditions: conditions.collect(),
        }
    }

    /// Actions are not case-sensitive.
    fn covers(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.actions.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
    }

    /// Whether it concerns this service.
    pub(super) fn names_service(&self, service: &str) -> bool {
        let named =
            self.principals.iter().any(|(kind, name)| kind != "AWS" && (name == service || name == "*"));
        named != self.inverted
    }

    /// Whether it concerns this role, by name or as one of everybody; not as one of its account, where IAM decides.
    pub(super) fn names_role(&self, role_arn: &str) -> bool {
        let named =
            self.principals.iter().any(|(kind, name)| kind != "Service" && (name == role_arn || name == "*"));
        named != self.inverted
    }

    /// Whether it leaves the decision to the IAM policies of this account.
    pub(super) fn leaves_it_to(&self, account: &str) -> bool {
        let root = format!(":iam::{account}:root");
        !self.inverted
            && self.principals.iter().any(|(kind, name)| {
                kind != "Service" && (name == account || name == "*" || name.ends_with(&root))
            })
    }
}

impl Condition {
    /// Whether a text fulfils it.
    pub(super) fn holds_for(&self, text: &str) -> ConditionResult {
        let operator = self.operator.strip_suffix("IfExists").unwrap_or(&self.operator);
        let operator = operator.rsplit(':').next().unwrap_or(operator);
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|value| test(value));
        let fulfilled = match operator {
            "StringEquals" => any(&|value| value == text),
            "StringNotEquals" => !any(&|value| value == text),
            "StringEqualsIgnoreCase" => any(&|value| value.eq_ignore_ascii_case(text)),
            "StringNotEqualsIgnoreCase" => !any(&|value| value.eq_ignore_ascii_case(text)),
            "StringLike" | "ArnLike" | "ArnEquals" => any(&|value| matches(value, text)),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(&|value| matches(value, text)),
            _ => return ConditionResult::Unknown,
        };
        if fulfilled { ConditionResult::Fulfilled } else { ConditionResult::NotFulfilled }
    }
}

/// One value or a list of them.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

/// Whether a pattern with `*` (any text) and `?` (any character) describes the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and up to where it has been taken to reach.
    let mut star = None;
    while let Some(character) = text.get(from) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(expected) if *expected == '?' || expected == character => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((stands, reaches)) = star else { return false };
                star = Some((stands, reaches + 1));
                (at, from) = (stands + 1, reaches + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_match(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_any_character() {
        check_match("", "", true);
        check_match("*", "", true);
        check_match("a*c", "abbc", true);
        check_match("a*b*c", "a-b-b-c", true);
        check_match("a*c", "abcd", false);
        check_match("a?c", "abc", true);
        check_match("a?c", "ac", false);
        check_match("arn:*:userpool/*", "arn:aws:userpool/eu_1", true);
        check_match("userpool", "userpool/x", false);
    }

    #[test]
    fn statements_may_be_single_and_in_lists() {
        let policy = |text: &str| Policy::parse(text).unwrap();
        let one = policy(
            r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"s.amazonaws.com"},"Action":"lambda:Invoke*"}}"#,
        );
        let found: Vec<_> = one.about("lambda:InvokeFunction").collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].allows && found[0].names_service("s.amazonaws.com"));
        assert!(!found[0].names_service("t.amazonaws.com") && !found[0].names_role("arn:role"));
        assert_eq!(one.about("lambda:GetPolicy").count(), 0);

        let many = policy(
            r#"{"Statement":[
                {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::1:root","arn:role"]},"Action":["kms:*"]},
                {"Effect":"Deny","Principal":"*","Action":"KMS:decrypt",
                 "Condition":{"StringNotEquals":{"kms:EncryptionContext:UserPool-Id":["a","b"]}}},
                {"Effect":"Deny","NotPrincipal":{"AWS":"arn:role"},"NotAction":"kms:Encrypt"}]}"#,
        );
        let found: Vec<_> = many.about("kms:Decrypt").collect();
        assert_eq!(found.len(), 3);
        assert!(found[0].leaves_it_to("1") && !found[0].leaves_it_to("2") && found[0].names_role("arn:role"));
        assert!(!found[1].allows && found[1].names_role("arn:any") && found[1].names_service("any"));
        let expected = Condition {
            operator: "StringNotEquals".to_owned(),
            key: "kms:encryptioncontext:userpool-id".to_owned(),
            values: vec!["a".to_owned(), "b".to_owned()],
        };
        assert_eq!(found[1].conditions, [expected]);
        assert!(!found[2].names_role("arn:role") && found[2].names_role("arn:other"));
    }

    #[track_caller]
    fn check_condition(operator: &str, value: &str, text: &str, expected: ConditionResult) {
        let condition =
            Condition { operator: operator.to_owned(), key: String::new(), values: vec![value.to_owned()] };
        assert_eq!(condition.holds_for(text), expected, "{operator} {value} {text}");
    }

    #[test]
    fn a_condition_says_yes_no_or_that_it_is_unknown() {
        check_condition("StringEquals", "a", "a", ConditionResult::Fulfilled);
        check_condition("StringEquals", "a*", "ab", ConditionResult::NotFulfilled);
        check_condition("StringLike", "a*", "ab", ConditionResult::Fulfilled);
        check_condition("ArnEquals", "arn:*", "arn:x", ConditionResult::Fulfilled);
        check_condition("ArnLikeIfExists", "arn:y", "arn:x", ConditionResult::NotFulfilled);
        check_condition("ForAnyValue:StringLike", "arn:*", "arn:x", ConditionResult::Fulfilled);
        check_condition("StringNotEquals", "a", "b", ConditionResult::Fulfilled);
        check_condition("StringNotLike", "a*", "ab", ConditionResult::NotFulfilled);
        check_condition("StringEqualsIgnoreCase", "A", "a", ConditionResult::Fulfilled);
        check_condition("Bool", "true", "true", ConditionResult::Unknown);
    }

    #[test]
    fn what_is_no_policy_is_none() {
        for text in ["", "[]", "{}", "7", r#"{"Version":"2012-10-17"}"#] {
            assert!(Policy::parse(text).is_none(), "{text}");
        }
        // It says nothing, and must not be taken for a permission.
        assert_eq!(
            Policy::parse(r#"{"Statement":[1,{}]}"#).unwrap().about("a").filter(|one| one.allows).count(),
            0
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[{}\\[\\]\":a-zA-Z,*]{0,80}") {
            let _ = Policy::parse(&text);
        }

        #[test]
        fn every_text_matches_itself_and_a_star(text in "[a-z/:-]{0,20}") {
            prop_assert!(matches(&text, &text));
            prop_assert!(matches("*", &text));
            let (pattern, longer) = (format!("{text}*"), format!("{text}more"));
            prop_assert!(matches(&pattern, &longer));
        }
    }
}
