//! Whatever overrides say, every message goes out, with its code once and of bounded length.
//!
//! A line `@@ NAME` begins the override of that name; the text before the first one is a username.

use std::collections::BTreeMap;

use shared::locale::Locale;
use shared::message::{Content, Insert, MessageSettings, Messages};
use shared::secret::Code;
use shared::trigger::MessageKind;

/// The longest text that one part of a message may be, in bytes, whatever an override does: what a template may make,
/// and room for what is filled in.
const LONGEST: usize = 100_000 + 30_000;
const CODE: &str = "90421737";
const NAME: &str = "\u{f8ff}";

/// Checks one set of overrides.
pub fn check(text: &str) {
    // In an override, these can't be distinguished from the inserted values.
    if [CODE, NAME].into_iter().any(|value| text.contains(value)) {
        return;
    }
    let mut files = text.split("@@ ");
    let user_name = files.next().unwrap_or_default().trim();
    let overrides: BTreeMap<_, _> = files
        .filter_map(|file| file.split_once('\n'))
        .map(|(name, source)| (name.trim().to_owned(), source.to_owned()))
        .collect();
    // A text that is put together from itself a few dozen times needs more memory than there is. No limit of the engine
    // prevents that, and no operator writes it by mistake.
    let times = |word: &str| overrides.values().map(|source| source.matches(word).count()).sum::<usize>();
    if times("~") + times("+") + times("*") + times("set") > 8 {
        return;
    }
    let settings =
        MessageSettings { brand: "Acme".to_owned(), support: None, default_locale: Locale::default() };
    let names: Vec<_> = overrides.keys().cloned().collect();
    let messages = Messages::new(settings, overrides);
    assert!(messages.problems().iter().all(|problem| !problem.contains(CODE)));
    let code = Code::new(CODE.to_owned().into());
    let all: Vec<_> = MessageKind::ALL
        .into_iter()
        .flat_map(|kind| Locale::all().map(move |locale| (kind, locale)))
        .collect();
    for (index, &(kind, locale)) in all.iter().enumerate() {
        // The overridden messages, those with a username, and one other: the start has rendered all of them.
        let folder = format!("{locale}/{}/", kind.name());
        if names.iter().any(|name| name.starts_with(&folder))
            || (kind, locale) == (MessageKind::AdminCreateUser, Locale::default())
            || index == text.len() % all.len()
        {
            check_message(&messages, kind, locale, &code, user_name);
        }
    }
}

fn check_message(messages: &Messages, kind: MessageKind, locale: Locale, code: &Code, user_name: &str) {
    let secret = Insert::Secret(code);
    let content = |username| match kind {
        MessageKind::AdminCreateUser => Content::Invitation { username, password: secret },
        _ => Content::Code(secret),
    };
    let render =
        |username| messages.email(kind, locale, content(username)).expect("a message always goes out");
    let (email, problem) = render(Insert::Name(user_name));
    assert!(problem.is_none(), "what is broken is left out at the start");
    for body in [&email.text, &email.html] {
        assert_eq!(body.matches(CODE).count(), 1);
        assert!(body.len() <= LONGEST, "{} bytes", body.len());
        assert!(no_control(body) || !no_control(user_name));
    }
    assert!(!email.subject.contains(CODE) && !email.subject.contains(char::is_control));
    assert!(email.subject.len() <= LONGEST);

    let (sms, problem) =
        messages.sms(kind, locale, content(Insert::Name(user_name))).expect("an SMS always goes out");
    assert!(problem.is_none() && sms.text.len() <= LONGEST);
    assert!(sms.text.contains(CODE) && (no_control(&sms.text) || !no_control(user_name)));

    if kind == MessageKind::AdminCreateUser {
        // A username is text: only the name differs from a message with another name.
        let (plain, _) = render(Insert::Name(NAME));
        assert_eq!(email.text, plain.text.replace(NAME, user_name));
        assert_eq!(email.html, plain.html.replace(NAME, &escaped(user_name)));
    }
    if kind.can_be_link() {
        let link = Content::Link(Insert::Placeholder("{##Confirm##}"));
        let (email, _) = messages.html_email(kind, locale, link).expect("a link always goes out");
        assert_eq!(email.html.matches("{##Confirm##}").count(), 1);
    }
}

/// SES and SNS reject messages with control characters.
fn no_control(text: &str) -> bool {
    !text.contains(|character: char| character.is_control() && !character.is_ascii_whitespace())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('/', "&#x2f;")
}
