//! Condition and update expressions: a parser and an evaluator for the part of the language that is used here.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>. Not known are nested paths,
//! `BETWEEN`, `IN`, the functions other than the three below, sums in `SET`, sets, and `DELETE`: they are refused.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::FromStr as _;
use std::vec::IntoIter;

use serde_json::{Map, Value, json};

use crate::service::Refusal;

/// One word of these as an attribute name is a `ValidationException`, in any spelling of its case.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>
const RESERVED_WORDS: &str = include_str!("reserved_words.txt");

/// An item: attributes by name.
pub(super) type Item = BTreeMap<String, Attribute>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    /// A string.
    S(String),
    /// A number; here a whole one. 38 digits, as many as DynamoDB keeps, fit.
    N(i128),
}

impl Attribute {
    pub(super) fn from_json(value: &Value) -> Result<Self, Refusal> {
        let member = value.as_object().filter(|members| members.len() == 1).and_then(|all| all.iter().next());
        match member.map(|(kind, value)| (kind.as_str(), value.as_str())) {
            Some(("S", Some(text))) => Ok(Self::S(text.to_owned())),
            Some(("N", Some(text))) => i128::from_str(text).map(Self::N).map_err(|_| {
                invalid(format!("The parameter cannot be converted to a numeric value: {text}"))
            }),
            _ => Err(invalid(format!("Supplied AttributeValue is not a string or a whole number: {value}"))),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number.to_string() }),
        }
    }

    /// Strings are ordered by the bytes of their UTF-8, numbers by value; of two types there is no order.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::S(one), Self::S(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (Self::N(one), Self::N(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request, and which of them were used.
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Attribute>,
    used: BTreeSet<String>,
}

impl Placeholders {
    pub(super) fn read(input: &Map<String, Value>) -> Result<Self, Refusal> {
        let entries = |member: &str, mark: char| {
            let Some(entries) = input.get(member) else { return Ok(Map::new()) };
            let entries = entries.as_object().cloned().unwrap_or_default();
            if entries.is_empty() {
                return Err(invalid(format!("{member} must not be empty")));
            }
            match entries.keys().find(|key| !key.starts_with(mark) || key.len() < 2) {
                Some(key) => {
                    Err(invalid(format!("{member} contains invalid key: Syntax error; key: \"{key}\"")))
                }
                None => Ok(entries),
            }
        };
        let names = entries("ExpressionAttributeNames", '#')?;
        let values = entries("ExpressionAttributeValues", ':')?;
        let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let value = |(key, value)| Ok((key, Attribute::from_json(&value)?));
        Ok(Self {
            names: names.into_iter().map(|(key, value)| (key, name(&value))).collect(),
            values: values.into_iter().map(value).collect::<Result<_, _>>()?,
            used: BTreeSet::new(),
        })
    }

    /// Whether each one was used by an expression.
    pub(super) fn finish(&self) -> Result<(), Refusal> {
        let unused = |what: &str, mut keys: Vec<&String>| {
            keys.retain(|key| !self.used.contains(*key));
            match keys.first() {
                None => Ok(()),
                Some(key) => Err(invalid(format!(
                    "Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{key}}}"
                ))),
            }
        };
        unused("Names", self.names.keys().collect())?;
        unused("Values", self.values.keys().collect())
    }
}

/// A parsed `ConditionExpression`.
pub(super) enum Condition {
    Exists(String),
    NotExists(String),
    Compare(Operand, Comparison, Operand),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

impl Condition {
    /// Reads a `ConditionExpression`.
    pub(super) fn parse(expression: &str, placeholders: &mut Placeholders) -> Result<Self, Refusal> {
        let mut parser = Parser::new("ConditionExpression", expression, placeholders)?;
        let condition = parser.disjunction()?;
        parser.end()?;
        Ok(condition)
    }

    /// Whether it is true of an item; one that is not there has no attributes.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(name) => item.contains_key(name),
            Self::NotExists(name) => !item.contains_key(name),
            Self::Compare(one, comparison, two) => comparison.holds(one.get(item), two.get(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
        }
    }
}

/// An attribute of the item, or a value of the request.
pub(super) enum Operand {
    Path(String),
    Value(Attribute),
}

impl Operand {
    fn get<'a>(&'a self, item: &'a Item) -> Option<&'a Attribute> {
        match self {
            Self::Path(name) => item.get(name),
            Self::Value(value) => Some(value),
        }
    }
}

/// A comparison operator.
#[derive(Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// Every comparison with an attribute that is not there, and between types, is false, except `<>`, which is then
    /// true, even if both sides are missing.
    ///
    /// The documentation does not say so. `ScyllaDB` found it out with tests that it also runs against DynamoDB
    /// itself (`test_update_condition_ne`, `test_update_condition_ne_two_unset`, `test_update_condition_lt` in
    /// `test/alternator/test_condition_expression.py` of <https://github.com/scylladb/scylladb>).
    fn holds(self, one: Option<&Attribute>, two: Option<&Attribute>) -> bool {
        let order = one.zip(two).and_then(|(one, two)| one.order(two));
        match self {
            Self::Equal => order.is_some_and(Ordering::is_eq),
            Self::NotEqual => !order.is_some_and(Ordering::is_eq),
            Self::Less => order.is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order.is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// A parsed `UpdateExpression`.
#[derive(Default)]
pub(super) struct Update {
    set: Vec<(String, SetValue)>,
    add: Vec<(String, i128)>,
    remove: Vec<String>,
}

enum SetValue {
    Operand(Operand),
    IfNotExists(String, Operand),
}

impl Update {
    /// Reads an `UpdateExpression`.
    pub(super) fn parse(expression: &str, placeholders: &mut Placeholders) -> Result<Self, Refusal> {
        Parser::new("UpdateExpression", expression, placeholders)?.update()
    }

    /// The names of the attributes that it changes.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        let set = self.set.iter().map(|(name, _)| name);
        set.chain(self.add.iter().map(|(name, _)| name)).chain(&self.remove)
    }

    /// Whether it only takes attributes away. Such an update makes no new item.
    pub(super) fn only_removes(&self) -> bool {
        self.set.is_empty() && self.add.is_empty()
    }

    /// The item afterwards. Every value is computed from the item as it was before.
    pub(super) fn apply(&self, before: &Item) -> Result<Item, Refusal> {
        let mut item = before.clone();
        for (name, value) in &self.set {
            let value = match value {
                SetValue::Operand(operand) => operand.get(before),
                SetValue::IfNotExists(path, operand) => before.get(path).or_else(|| operand.get(before)),
            };
            let value = value.ok_or_else(|| {
                invalid("The provided expression refers to an attribute that does not exist in the item")
            })?;
            item.insert(name.clone(), value.clone());
        }
        for (name, amount) in &self.add {
            let sum = match before.get(name) {
                None => Some(*amount),
                Some(Attribute::N(number)) => number.checked_add(*amount),
                Some(Attribute::S(_)) => {
                    return Err(invalid("An operand in the update expression has an incorrect data type"));
                }
            };
            item.insert(name.clone(), Attribute::N(sum.ok_or_else(|| invalid("Number overflow"))?));
        }
        for name in &self.remove {
            item.remove(name);
        }
        Ok(item)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A keyword, a function or the name of an attribute.
    Word(String),
    /// A name with its `#`.
    Name(String),
    /// A value with its `:`.
    Value(String),
    Symbol(&'static str),
}

impl Token {
    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text,
            Self::Symbol(text) => text,
        }
    }
}

/// Longer symbols first.
const SYMBOLS: [&str; 9] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ","];

fn tokens(expression: &str) -> Result<Vec<Token>, &str> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
        let marked = rest.trim_start_matches(['#', ':']);
        let word = marked.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(marked.len());
        let length = symbol.map_or(rest.len() - marked.len() + word, str::len);
        let (text, after) = rest.split_at(length);
        tokens.push(match (symbol, first) {
            (Some(symbol), _) => Token::Symbol(symbol),
            (_, '#') if word > 0 && rest.len() == marked.len() + 1 => Token::Name(text.to_owned()),
            (_, ':') if word > 0 && rest.len() == marked.len() + 1 => Token::Value(text.to_owned()),
            _ if first.is_ascii_alphabetic() => Token::Word(text.to_owned()),
            _ => return Err(rest),
        });
        rest = after.trim_start();
    }
    Ok(tokens)
}

struct Parser<'a> {
    kind: &'static str,
    tokens: Peekable<IntoIter<Token>>,
    placeholders: &'a mut Placeholders,
}

impl<'a> Parser<'a> {
    fn new(
        kind: &'static str,
        expression: &str,
        placeholders: &'a mut Placeholders,
    ) -> Result<Self, Refusal> {
        let tokens = tokens(expression)
            .map_err(|rest| invalid(format!("Invalid {kind}: Syntax error; near: \"{rest}\"")))?;
        if tokens.is_empty() {
            return Err(invalid(format!("Invalid {kind}: The expression can not be empty;")));
        }
        Ok(Self { kind, tokens: tokens.into_iter().peekable(), placeholders })
    }

    fn refuse(&self, what: &str) -> Refusal {
        invalid(format!("Invalid {}: {what}", self.kind))
    }

    fn syntax_error(&mut self) -> Refusal {
        let token = self.tokens.peek().map_or("<EOF>", Token::text).to_owned();
        self.refuse(&format!("Syntax error; token: \"{token}\""))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        self.tokens.next_if(|token| token.is_keyword(keyword)).is_some()
    }

    fn symbol(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Symbol(symbol)).is_some()
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Refusal> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        if self.tokens.peek().is_none() { Ok(()) } else { Err(self.syntax_error()) }
    }

    fn disjunction(&mut self) -> Result<Condition, Refusal> {
        let mut condition = self.conjunction()?;
        while self.keyword("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.conjunction()?));
        }
        Ok(condition)
    }

    fn conjunction(&mut self) -> Result<Condition, Refusal> {
        let mut condition = self.negation()?;
        while self.keyword("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.negation()?));
        }
        Ok(condition)
    }

    fn negation(&mut self) -> Result<Condition, Refusal> {
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.negation()?)));
        }
        if self.symbol("(") {
            let condition = self.disjunction()?;
            self.expect(")")?;
            return Ok(condition);
        }
        // The names of functions, other than keywords, must be spelled in lower case.
        if self.function("attribute_exists")? {
            let name = self.path()?;
            self.expect(")")?;
            return Ok(Condition::Exists(name));
        }
        if self.function("attribute_not_exists")? {
            let name = self.path()?;
            self.expect(")")?;
            return Ok(Condition::NotExists(name));
        }
        let one = self.operand()?;
        let comparison = match self.tokens.peek() {
            Some(Token::Symbol(symbol)) => Comparison::of(symbol),
            _ => None,
        };
        let comparison = comparison.ok_or_else(|| self.syntax_error())?;
        self.tokens.next();
        Ok(Condition::Compare(one, comparison, self.operand()?))
    }

    /// Reads the name of that function and the parenthesis, if it is next.
    fn function(&mut self, name: &str) -> Result<bool, Refusal> {
        let is_next =
            self.tokens.next_if(|token| matches!(token, Token::Word(word) if word == name)).is_some();
        if is_next {
            self.expect("(")?;
        }
        Ok(is_next)
    }

    fn operand(&mut self) -> Result<Operand, Refusal> {
        if matches!(self.tokens.peek(), Some(Token::Value(_))) {
            Ok(Operand::Value(self.value()?))
        } else {
            Ok(Operand::Path(self.path()?))
        }
    }

    fn value(&mut self) -> Result<Attribute, Refusal> {
        let Some(Token::Value(key)) = self.tokens.next_if(|token| matches!(token, Token::Value(_))) else {
            return Err(self.syntax_error());
        };
        let Some(value) = self.placeholders.values.get(&key) else {
            let what = "An expression attribute value used in expression is not defined; attribute value: ";
            return Err(self.refuse(&format!("{what}{key}")));
        };
        self.placeholders.used.insert(key);
        Ok(value.clone())
    }

    fn path(&mut self) -> Result<String, Refusal> {
        match self.tokens.next_if(|token| matches!(token, Token::Word(_) | Token::Name(_))) {
            Some(Token::Name(key)) => {
                let Some(name) = self.placeholders.names.get(&key) else {
                    let what = "An expression attribute name used in the document path is not defined; ";
                    return Err(self.refuse(&format!("{what}attribute name: {key}")));
                };
                self.placeholders.used.insert(key);
                Ok(name.clone())
            }
            Some(Token::Word(word)) if is_reserved(&word) => {
                let what = "Attribute name is a reserved keyword; reserved keyword: ";
                Err(self.refuse(&format!("{what}{word}")))
            }
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.syntax_error()),
        }
    }

    fn update(mut self) -> Result<Update, Refusal> {
        let mut update = Update::default();
        let mut sections = BTreeSet::new();
        while self.tokens.peek().is_some() {
            let section = ["SET", "ADD", "REMOVE"].into_iter().find(|section| self.keyword(section));
            let section = section.ok_or_else(|| self.syntax_error())?;
            if !sections.insert(section) {
                let what = "section can only be used once in an update expression;";
                return Err(self.refuse(&format!("The \"{section}\" {what}")));
            }
            loop {
                self.action(section, &mut update)?;
                if !self.symbol(",") {
                    break;
                }
            }
        }
        let mut names = BTreeSet::new();
        let twice = update.names().find(|name| !names.insert(name.as_str())).cloned();
        match twice {
            None => Ok(update),
            Some(name) => {
                let what = "Two document paths overlap with each other; must remove or rewrite one of them; ";
                Err(self.refuse(&format!("{what}path: [{name}]")))
            }
        }
    }

    fn action(&mut self, section: &str, update: &mut Update) -> Result<(), Refusal> {
        let name = self.path()?;
        match section {
            "SET" => {
                self.expect("=")?;
                let value = if self.function("if_not_exists")? {
                    let path = self.path()?;
                    self.expect(",")?;
                    let otherwise = self.operand()?;
                    self.expect(")")?;
                    SetValue::IfNotExists(path, otherwise)
                } else {
                    SetValue::Operand(self.operand()?)
                };
                update.set.push((name, value));
            }
            "ADD" => match self.value()? {
                Attribute::N(amount) => update.add.push((name, amount)),
                Attribute::S(_) => {
                    let what =
                        "Incorrect operand type for operator or function; operator: ADD, operand type: ";
                    return Err(self.refuse(&format!("{what}STRING")));
                }
            },
            _ => update.remove.push(name),
        }
        Ok(())
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED_WORDS.split_whitespace().any(|reserved| reserved.eq_ignore_ascii_case(word))
}
