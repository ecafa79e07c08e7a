//! From what a file says to what the program uses, with the checks that need more than one key.

use std::collections::BTreeMap;
use std::path::Path;

use super::Context;
use super::backend;
use super::catalogue::{self, STANDARD};
use super::doc::Doc;
use super::file::{ContextSettings, File, SloSettings};
use super::problem::{Findings, Problem, suggest};
use crate::domain::{Clean, Quantile, Slo, SloSource};
use crate::telemetry::Catalogue;

/// Resolves contexts against a document, collecting what is wrong.
pub struct Resolver<'a> {
    /// Where keys and values are.
    pub doc: &'a Doc<'a>,
    /// Folder of the configuration file: relative paths start there.
    pub folder: &'a Path,
    /// The built-in catalogue.
    pub standard: &'a Catalogue,
    /// Problems of the configuration file.
    pub findings: Findings,
    /// Problems of other files.
    pub elsewhere: Vec<Problem>,
}

impl Resolver<'_> {
    /// All contexts of `file`.
    pub fn contexts(&mut self, file: &File) -> BTreeMap<Clean, Context> {
        let names = || file.contexts.keys().map(Clean::as_str);
        if file.contexts.is_empty() {
            self.findings.error(self.doc.key(&["contexts"]), "there is no context", None);
        }
        if let Some(name) = file.default_context.as_ref().filter(|name| !file.contexts.contains_key(*name)) {
            let message = format!("there is no context `{name}`");
            self.findings.error(
                self.doc.value(&["default_context"]),
                message,
                suggest(name.as_str(), names()),
            );
        }
        file.contexts.iter().map(|(name, settings)| (name.clone(), self.context(name, settings))).collect()
    }

    fn context(&mut self, name: &Clean, settings: &ContextSettings) -> Context {
        let at = ["contexts", name.as_str()];
        let mut vars = settings.vars.clone();
        for name in catalogue::BUILT_IN.iter().filter(|name| vars.contains_key(**name)) {
            let span = self.doc.key(&[at[0], at[1], "vars", name]);
            self.findings.error(span, format!("`{name}` is filled in from the window settings"), None);
        }
        for name in catalogue::OPTIONAL {
            vars.entry(name.to_owned()).or_default();
        }

        let mut prometheus = settings.prometheus.clone();
        backend::check(&mut prometheus, &[at[0], at[1], "prometheus"], self);
        let jaeger = settings.jaeger.clone().map(|mut jaeger| {
            backend::check(&mut jaeger.backend, &[at[0], at[1], "jaeger"], self);
            jaeger
        });
        if let Some(grafana) = &settings.grafana {
            backend::address(&grafana.url, &[at[0], at[1], "grafana"], self);
        }
        let catalogue = self.catalogue(&at, settings, &vars);
        let slos =
            settings.slo.iter().enumerate().map(|(i, slo)| self.slo(&at, i, slo, settings, &vars)).collect();
        if settings.slo.is_empty() {
            self.findings.warn(
                self.doc.key(&at),
                format!("context `{name}` has no SLO, so there is nothing to watch"),
                Some(format!("add a [[contexts.{name}.slo]]")),
            );
        }
        self.traces_need_jaeger(&at, settings);
        let context = Context {
            name: name.clone(),
            vars,
            catalogue,
            prometheus,
            jaeger,
            grafana: settings.grafana.clone(),
            names: settings.names.clone(),
            slos,
            remedy: self.remedy(&at, settings),
        };
        self.unused_vars(&at, settings, &context);
        context
    }

    fn catalogue(
        &mut self,
        at: &[&str; 2],
        settings: &ContextSettings,
        vars: &BTreeMap<String, String>,
    ) -> Catalogue {
        let span = self.doc.value(&[at[0], at[1], "catalogue"]);
        if settings.catalogue == Path::new(STANDARD) {
            if settings.catalogue_only {
                let span = self.doc.key(&[at[0], at[1], "catalogue_only"]);
                let help = "set `catalogue` to a file, or leave `catalogue_only` out";
                self.findings.error(span, "there is no catalogue file to use alone", Some(help.to_owned()));
            }
            self.standard_vars(at, vars);
            return self.standard.clone();
        }
        let path = self.folder.join(&settings.catalogue);
        match catalogue::open(&path, vars) {
            Ok(Ok(own)) if settings.catalogue_only => own,
            Ok(Ok(own)) => {
                self.standard_vars(at, vars);
                Catalogue::merged(self.standard.clone(), own)
            }
            Ok(Err(problems)) => {
                self.elsewhere.extend(problems);
                Catalogue::default()
            }
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                let help = format!("`{STANDARD}` is the built-in one; paths start at this file's folder");
                self.findings.error(span, message, Some(help));
                Catalogue::default()
            }
        }
    }

    fn standard_vars(&mut self, at: &[&str; 2], vars: &BTreeMap<String, String>) {
        let queries = queries(self.standard);
        for name in queries.flat_map(catalogue::placeholders) {
            if !catalogue::fillable(vars).any(|known| known == name) {
                self.findings.error(self.doc.key(at), catalogue::unknown(name), None);
            }
        }
    }

    fn slo(
        &mut self,
        at: &[&str; 2],
        index: usize,
        settings: &SloSettings,
        context: &ContextSettings,
        vars: &BTreeMap<String, String>,
    ) -> Slo {
        let position = index.to_string();
        let value = |key: &str| self.doc.value(&[at[0], at[1], "slo", &position, key]);
        let mut errors = Vec::new();
        if context.slo[..index].iter().any(|other| other.name == settings.name) {
            errors.push((value("name"), format!("a second SLO with the name `{}`", settings.name)));
        }
        for (key, text) in [("name", settings.name.as_str()), ("service", settings.service.as_str())] {
            if text.trim().is_empty() {
                errors.push((value(key), format!("`{key}` is empty")));
            }
        }
        let quantile = Quantile::from_fraction(settings.quantile);
        if !(settings.quantile > 0.0 && settings.quantile < 1.0) {
            errors.push((value("quantile"), "a quantile lies between 0 and 1, such as 0.95".to_owned()));
        } else if (quantile.fraction() - settings.quantile).abs() > 1e-9 || quantile.0 == 0 {
            errors.push((
                value("quantile"),
                "a quantile is in thousandths at the finest, such as 0.999".to_owned(),
            ));
        }
        if !(settings.target > 0.0 && settings.target < 1.0) {
            errors.push((value("target"), "a target lies between 0 and 1, such as 0.99".to_owned()));
        }
        for (key, length) in
            [("objective", settings.objective), ("window", settings.window), ("period", settings.period)]
        {
            if length.is_zero() {
                errors.push((value(key), format!("`{key}` must be longer than nothing")));
            }
        }
        if settings.period < settings.window {
            errors.push((value("period"), "`period` is shorter than `window`".to_owned()));
        }
        for (span, message) in errors {
            self.findings.error(span, message, None);
        }
        self.source(at, &position, &settings.source, vars);
        Slo {
            name: settings.name.clone(),
            service: settings.service.clone(),
            operation: settings.operation.clone(),
            quantile,
            objective_ms: settings.objective.as_secs_f64() * 1000.0,
            window: settings.window,
            target: settings.target,
            period: settings.period,
            source: settings.source.clone(),
        }
    }

    fn source(&mut self, at: &[&str; 2], slo: &str, source: &SloSource, vars: &BTreeMap<String, String>) {
        let (key, text) = match source {
            SloSource::Traces => return,
            SloSource::Quantile { query, .. } => ("query", query),
            SloSource::Histogram { metric, .. } => ("metric", metric),
        };
        let span = self.doc.value(&[at[0], at[1], "slo", slo, "source", key]);
        if text.trim().is_empty() {
            self.findings.error(span.clone(), format!("`{key}` is empty"), None);
        }
        catalogue::template(text, vars, span, &mut self.findings);
    }

    fn traces_need_jaeger(&mut self, at: &[&str; 2], settings: &ContextSettings) {
        if settings.jaeger.is_some() {
            return;
        }
        for (i, slo) in settings.slo.iter().enumerate().filter(|(_, slo)| slo.source == SloSource::Traces) {
            let span = self.doc.value(&[at[0], at[1], "slo", &i.to_string(), "source"]);
            let message = format!("`{}` is read from traces, but the context has no Jaeger", slo.name);
            let help = format!(
                "add [{}.{}.jaeger], or a source of type \"quantile\" or \"histogram\"",
                at[0], at[1]
            );
            self.findings.error(span, message, Some(help));
        }
    }

    /// A variable that no template mentions is most likely a misspelt one.
    fn unused_vars(&mut self, at: &[&str; 2], settings: &ContextSettings, context: &Context) {
        let of_slos = settings.slo.iter().filter_map(|slo| match &slo.source {
            SloSource::Traces => None,
            SloSource::Quantile { query, .. } => Some(query.as_str()),
            SloSource::Histogram { metric, .. } => Some(metric.as_str()),
        });
        let used: Vec<&str> =
            queries(&context.catalogue).chain(of_slos).flat_map(catalogue::placeholders).collect();
        for name in settings.vars.keys().map(String::as_str) {
            if !used.contains(&name) && !catalogue::BUILT_IN.contains(&name) {
                let span = self.doc.key(&[at[0], at[1], "vars", name]);
                let help =
                    suggest(name, used.iter().copied().filter(|used| !catalogue::BUILT_IN.contains(used)));
                self.findings.warn(span, format!("no query mentions `{{{{{name}}}}}`"), help);
            }
        }
    }
}

fn queries(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    let features = catalogue.feature.iter().map(|feature| feature.query.as_str());
    features.chain(catalogue.latency.iter().map(|latency| latency.query.as_str()))
}
