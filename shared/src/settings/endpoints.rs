//! Which endpoints of AWS a function calls.

use super::{Noted, Settings};

/// The variables of the AWS SDKs that choose endpoints. Only an operator sets them.
///
/// Source: "Service-specific endpoints", AWS SDKs and Tools reference guide.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Each with the variable that sets it.
    urls: Vec<(&'static str, String)>,
    /// Whether FIPS endpoints are used.
    pub use_fips: bool,
    /// Whether endpoints with IPv6 are used.
    pub use_dual_stack: bool,
}

impl Endpoints {
    /// Reads the endpoints that `variables` set, each else from `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// If a flag is neither `true` nor `false`.
    pub fn read(settings: &Settings<'_>, variables: &[&'static str]) -> Result<Self, Noted> {
        let use_fips = settings.flag("AWS_USE_FIPS_ENDPOINT", false);
        let use_dual_stack = settings.flag("AWS_USE_DUALSTACK_ENDPOINT", false);
        let ignored = settings.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", false);
        let url = |variable| settings.text(variable).or_else(|| settings.text("AWS_ENDPOINT_URL"));
        let ignored = ignored?;
        let urls = variables
            .iter()
            .filter(|_| !ignored)
            .filter_map(|variable| Some((*variable, url(variable)?)))
            .collect();
        Ok(Self { urls, use_fips: use_fips?, use_dual_stack: use_dual_stack? })
    }

    /// The endpoint that this variable sets, `None` for the default one.
    #[must_use]
    pub fn url(&self, variable: &str) -> Option<&str> {
        self.urls.iter().find(|(name, _)| *name == variable).map(|(_, url)| url.as_str())
    }
}
