//! Checks of a backend's settings: the address, and where its secrets come from.

use std::net::IpAddr;

use url::{Host, Url};

use super::resolve::Resolver;
use crate::telemetry::settings::Secret;
use crate::telemetry::{Auth, BackendSettings};

/// Checks the backend written at `at`, and makes its relative paths start at the file's folder.
pub fn check(backend: &mut BackendSettings, at: &[&str; 3], resolver: &mut Resolver<'_>) {
    let url = address(&backend.url, at, resolver);
    let mut secrets: Vec<(Vec<String>, &mut Secret)> = Vec::new();
    match &mut backend.auth {
        Auth::None => {}
        Auth::Basic { password, .. } => secrets.push((vec!["auth".into(), "password".into()], password)),
        Auth::Bearer { token } => secrets.push((vec!["auth".into(), "token".into()], token)),
    }
    let login = !secrets.is_empty();
    for (name, value) in &mut backend.headers {
        secrets.push((vec!["headers".into(), name.clone()], value));
    }
    for (path, secret) in secrets {
        let path: Vec<&str> = at.iter().copied().chain(path.iter().map(String::as_str)).collect();
        check_secret(secret, &path, resolver);
    }
    if login && url.is_some_and(|url| url.scheme() == "http" && !is_local(&url)) {
        let span = resolver.doc.value(&[at[0], at[1], at[2], "url"]);
        resolver.findings.warn(span, "the login is sent unencrypted", Some("use https".to_owned()));
    }
    for (key, zero) in [
        ("timeout", backend.timeout.is_zero()),
        ("concurrency", backend.concurrency == 0),
        ("max_response_mib", backend.max_response_mib == 0),
    ] {
        if zero {
            let span = resolver.doc.value(&[at[0], at[1], at[2], key]);
            resolver.findings.error(span, format!("with `{key}` zero nothing would ever be answered"), None);
        }
    }
}

/// Checks the `url` written at `at`; `None` if it is none.
pub fn address(text: &str, at: &[&str; 3], resolver: &mut Resolver<'_>) -> Option<Url> {
    let span = resolver.doc.value(&[at[0], at[1], at[2], "url"]);
    let findings = &mut resolver.findings;
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(url) => {
            // `localhost:9090` parses as the scheme `localhost`.
            let help = if text.contains("://") { "use http:// or https://" } else { "begin with http://" };
            findings.error(
                span,
                format!("`{}` is not a scheme that is spoken here", url.scheme()),
                Some(help.into()),
            );
            return None;
        }
        Err(error) => {
            findings.error(
                span,
                format!("not an address: {error}"),
                Some("such as http://localhost:9090".into()),
            );
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        findings.hide(span.clone());
        let help = "write auth = { type = \"basic\", user = \"…\", password = { env = \"…\" } }";
        findings.error(span.clone(), "an address must not contain a login", Some(help.into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        findings.error(span, "an address ends with its path: no `?` or `#`", None);
    }
    Some(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}

fn check_secret(secret: &mut Secret, path: &[&str], resolver: &mut Resolver<'_>) {
    let span = resolver.doc.value(path);
    let findings = &mut resolver.findings;
    let sources = [secret.value.is_some(), secret.env.is_some(), secret.file.is_some()];
    match sources.into_iter().filter(|set| *set).count() {
        0 => findings.error(span, "a secret without a source", Some("one of env, file or value".into())),
        1 => {}
        _ => findings.error(
            span,
            "a secret with several sources",
            Some("keep one of env, file and value".into()),
        ),
    }
    if secret.value.is_some() {
        let at = resolver.doc.key(&[path, &["value"]].concat());
        findings.warn(at, "a secret in the file itself", Some("better: env or file".into()));
    }
    if let Some(name) = &secret.env
        && std::env::var_os(name).is_none_or(|value| value.is_empty())
    {
        let at = resolver.doc.value(&[path, &["env"]].concat());
        findings.warn(at, format!("the environment variable {name} is not set"), None);
    }
    if let Some(file) = &mut secret.file {
        *file = resolver.folder.join(&*file);
        if let Err(error) = std::fs::File::open(&*file) {
            let at = resolver.doc.value(&[path, &["file"]].concat());
            findings.warn(at, format!("cannot read {}: {error}", file.display()), None);
        }
    }
}
