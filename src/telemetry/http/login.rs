//! Credentials: from settings to sensitive header values. Values never reach a message or `Debug`.

use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::domain::Clean;
use crate::telemetry::Error;
use crate::telemetry::settings::{Auth, BackendSettings, Secret};

/// Longest secret read from a file; more is a mistaken path.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// What the settings say about logging in, and how to turn it into headers.
#[derive(Clone)]
pub(super) struct Login {
    auth: Auth,
    headers: Vec<(HeaderName, Secret)>,
    tenant: Option<(HeaderName, String)>,
}

impl Login {
    /// Checks header names; secrets are resolved by [`Login::headers`].
    pub(super) fn new(settings: &BackendSettings, tenant_header: &'static str) -> Result<Self, Error> {
        let mut headers = Vec::new();
        for (name, secret) in &settings.headers {
            let parsed = HeaderName::try_from(name.as_str())
                .map_err(|_| problem(format!("`{name}` is not a header name")))?;
            headers.push((parsed, secret.clone()));
        }
        let tenant = settings.tenant.clone().map(|tenant| (HeaderName::from_static(tenant_header), tenant));
        Ok(Self { auth: settings.auth.clone(), headers, tenant })
    }

    /// Whether a secret comes from a file, so that reading it again may help after a 401.
    pub(super) fn reads_files(&self) -> bool {
        let from_file = |s: &Secret| s.value.is_none() && s.env.is_none() && s.file.is_some();
        let auth = match &self.auth {
            Auth::None => false,
            Auth::Basic { password, .. } => from_file(password),
            Auth::Bearer { token } => from_file(token),
        };
        auth || self.headers.iter().any(|(_, secret)| from_file(secret))
    }

    /// What to check when a backend does not accept it.
    pub(super) fn hint(&self) -> &'static str {
        match self.auth {
            Auth::None => "it wants credentials; set `auth` for this backend",
            Auth::Basic { .. } => "check user and password",
            Auth::Bearer { .. } => "check the bearer token; has it expired?",
        }
    }

    /// Resolves all secrets into headers marked sensitive. Reads files: small, but blocking.
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut map = HeaderMap::new();
        if let Some((name, tenant)) = &self.tenant {
            map.insert(name.clone(), sensitive("the tenant", tenant)?);
        }
        match &self.auth {
            Auth::None => {}
            Auth::Basic { user, password } => {
                if user.contains(':') {
                    return Err(problem("a user name for basic auth cannot contain `:`"));
                }
                let pair = STANDARD.encode(format!("{user}:{}", resolve("the password", password)?));
                map.insert(AUTHORIZATION, sensitive("the password", &format!("Basic {pair}"))?);
            }
            Auth::Bearer { token } => {
                let token = resolve("the bearer token", token)?;
                map.insert(AUTHORIZATION, sensitive("the bearer token", &format!("Bearer {token}"))?);
            }
        }
        for (name, secret) in &self.headers {
            let what = format!("the header `{name}`");
            map.insert(name.clone(), sensitive(&what, &resolve(&what, secret)?)?);
        }
        Ok(map)
    }
}

fn problem(text: impl AsRef<str>) -> Error {
    Error::Settings(Clean::new(text.as_ref()))
}

fn sensitive(what: &str, value: &str) -> Result<HeaderValue, Error> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| problem(format!("{what} contains characters that a header cannot carry")))?;
    header.set_sensitive(true);
    Ok(header)
}

fn resolve(what: &str, secret: &Secret) -> Result<String, Error> {
    let text = if let Some(value) = &secret.value {
        value.clone()
    } else if let Some(name) = &secret.env {
        std::env::var(name)
            .map_err(|_| problem(format!("{what}: the environment variable `{name}` is not set")))?
    } else if let Some(path) = &secret.file {
        read_secret(path).map_err(|e| problem(format!("{what}: cannot read `{}`: {e}", path.display())))?
    } else {
        return Err(problem(format!("{what} has no source: set `value`, `env` or `file`")));
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(problem(format!("{what} is empty")));
    }
    Ok(text.to_owned())
}

fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::io::Write as _;

    fn secret(value: &str) -> Secret {
        Secret { value: Some(value.into()), ..Secret::default() }
    }

    fn login(auth: Auth) -> Login {
        let settings = BackendSettings { auth, ..BackendSettings::at("http://x") };
        Login::new(&settings, "x-scope-orgid").unwrap()
    }

    #[test]
    fn basic_bearer_tenant_and_headers() {
        let map = login(Auth::Basic { user: "ann".into(), password: secret("pw") }).headers().unwrap();
        assert_eq!(map[AUTHORIZATION], "Basic YW5uOnB3");
        let mut settings = BackendSettings::at("http://x");
        settings.auth = Auth::Bearer { token: secret(" tok\n") };
        settings.tenant = Some("a|b".into());
        settings.headers.insert("X-Api-Key".into(), secret("k1"));
        let map = Login::new(&settings, "x-scope-orgid").unwrap().headers().unwrap();
        assert_eq!(map[AUTHORIZATION], "Bearer tok");
        assert_eq!(map["x-scope-orgid"], "a|b");
        assert_eq!(map["x-api-key"], "k1");
        assert!(!format!("{map:?}").contains("tok"), "values are not shown by Debug");
        assert!(!format!("{map:?}").contains("k1"));
    }

    #[test]
    fn a_file_is_trimmed_and_read_anew() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "first").unwrap();
        let token = Secret { file: Some(file.path().into()), ..Secret::default() };
        let login = login(Auth::Bearer { token });
        assert!(login.reads_files());
        assert_eq!(login.headers().unwrap()[AUTHORIZATION], "Bearer first");
        std::fs::write(file.path(), "second").unwrap();
        assert_eq!(login.headers().unwrap()[AUTHORIZATION], "Bearer second");
    }

    #[test]
    fn what_is_missing_is_named_and_values_are_not() {
        let env = Secret { env: Some("SAGETOP_TEST_UNSET_VARIABLE".into()), ..Secret::default() };
        let told = login(Auth::Bearer { token: env }).headers().unwrap_err().to_string();
        assert!(told.contains("SAGETOP_TEST_UNSET_VARIABLE"), "{told}");
        let told = login(Auth::Bearer { token: Secret::default() }).headers().unwrap_err().to_string();
        assert!(told.contains("has no source"), "{told}");
        let told = login(Auth::Bearer { token: secret("sec\u{7}ret") }).headers().unwrap_err().to_string();
        assert!(told.contains("characters") && !told.contains("sec"), "{told}");
    }
}
