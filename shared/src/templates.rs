//! The built-in templates and their languages, which `build.rs` embeds from `shared/templates/`.

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The built-in template with this file name, such as `en/sign-up/sms.txt`.
pub(crate) fn template(name: &str) -> Option<&'static str> {
    let index = TEMPLATES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    TEMPLATES.get(index).map(|(_, source)| *source)
}
