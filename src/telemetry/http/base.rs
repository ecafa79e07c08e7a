//! The base URL of a backend: checked once, shown without secrets, joined with API paths.

use url::Url;

use crate::domain::Clean;
use crate::telemetry::Error;

/// A checked base URL.
#[derive(Clone)]
pub(super) struct Base {
    url: Url,
    /// Host and port, for messages.
    pub(super) host: Clean,
}

impl Base {
    /// Accepts `http(s)://host[:port][/prefix]`. Refusals never repeat the text: it may hold a password.
    pub(super) fn parse(raw: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::Settings(Clean::new(why)));
        let mut url = match Url::parse(raw.trim()) {
            Ok(url) => url,
            Err(e) => {
                return refuse(&format!(
                    "the url is not valid: {e}; expected http(s)://host[:port][/prefix]"
                ));
            }
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("the url must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the url contains a user or password: move them to `auth`");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("the url must not contain `?` or `#`");
        }
        let Some(host) = url.host_str() else { return refuse("the url has no host") };
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
        }
        Ok(Self { url, host: Clean::new(&host) })
    }

    /// Whether TLS is used.
    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// As shown to people.
    pub(super) fn shown(&self) -> Clean {
        Clean::new(self.url.as_str().trim_end_matches('/'))
    }

    /// The URL of an API path; segments are percent-encoded.
    pub(super) fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A `Location` header as shown to people: resolved, without user, query and fragment, which may
    /// hold session tokens.
    pub(super) fn redirect_target(&self, location: Option<&str>) -> Clean {
        let Some(mut target) = location.and_then(|l| self.url.join(l).ok()) else {
            return Clean::new("an unreadable address");
        };
        target.set_query(None);
        target.set_fragment(None);
        // Both fail only for URLs without a host, which have no user either.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        Clean::new(target.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn prefixes_and_slashes() {
        for raw in ["http://h:1/p", "http://h:1/p/", " http://h:1/p "] {
            let base = Base::parse(raw).unwrap();
            assert_eq!(base.join(&["api", "v1", "query"]).as_str(), "http://h:1/p/api/v1/query");
            assert_eq!(base.shown().as_str(), "http://h:1/p");
            assert_eq!(base.host.as_str(), "h:1");
        }
        let base = Base::parse("https://h").unwrap();
        assert_eq!(base.join(&["api", "a/b ?c"]).as_str(), "https://h/api/a%2Fb%20%3Fc");
        assert_eq!(base.shown().as_str(), "https://h");
    }

    #[test]
    fn refusals_do_not_repeat_secrets() {
        for raw in [
            "http://ann:hunter2@h/",
            "http://ann:hunter2@h:99999/",
            "ftp://hunter2@h/",
            "http://h/?token=hunter2",
            "hunter2",
        ] {
            let told = Base::parse(raw).err().unwrap().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn redirect_targets_are_scrubbed() {
        let base = Base::parse("https://prom.example/p").unwrap();
        let target = base.redirect_target(Some("https://u:p@sso.example/login?state=secret#x"));
        assert_eq!(target.as_str(), "https://sso.example/login");
        assert_eq!(base.redirect_target(Some("/login?t=1")).as_str(), "https://prom.example/login");
        assert_eq!(base.redirect_target(None).as_str(), "an unreadable address");
    }
}
