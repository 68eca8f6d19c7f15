//! Snapshots of complete messages, as users get them.

use insta::assert_snapshot;
use shared::locale::Locale;
use shared::message::{Content, Insert, MessageSettings, Messages};
use shared::secret::Code;
use shared::segments::segments;
use shared::trigger::MessageKind;

#[test]
fn every_message_in_every_language_reads_exactly_so() {
    let code = |text: &str| Code::new(text.to_owned().into());
    let (code, password) = (code("734802"), code("aX7$k<9&q"));
    for locale in Locale::all() {
        let settings = MessageSettings {
            brand: "Acme".to_owned(),
            support: Some("https://example.com/help".to_owned()),
            default_locale: locale,
        };
        let messages = Messages::new(settings, [].into());
        assert_eq!(messages.problems(), Vec::<String>::new());
        for kind in MessageKind::ALL {
            let content = if kind == MessageKind::AdminCreateUser {
                Content::Invitation {
                    username: Insert::Name("ann-5519"),
                    password: Insert::Secret(&password),
                }
            } else {
                Content::Code(Insert::Secret(&code))
            };
            let (email, _) = messages.email(kind, locale, content).expect("the email renders");
            let (sms, _) = messages.sms(kind, locale, content).expect("the SMS renders");
            let size = segments(&sms.text);
            let all = format!(
                "Subject: {}\n\n--- text ---\n{}\n\n--- SMS: {:?}, {} units, {} part ---\n{}\n\n--- HTML ---\n{}\n",
                email.subject, email.text, size.encoding, size.units, size.parts, sms.text, email.html
            );
            assert_snapshot!(format!("{locale} {}", kind.name()), all);
        }
    }
}
