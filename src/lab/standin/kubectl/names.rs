//! Which objects a command line names: `pods`, `pods,nodes`, `pods a b`, `pods/a deployments.apps/b`.

use super::{Failed, error};
use crate::lab::standin::kube::kinds::{self, Kind};

/// A kind, and one object of it or all.
pub type Named = (&'static Kind, Option<String>);

/// Reads the arguments; without any there is nothing to do.
pub fn parse(arguments: &[String]) -> Result<Vec<Named>, Failed> {
    let Some(first) = arguments.first() else {
        return error(
            "You must provide one or more resources by argument or filename.\nExample resource \
                      specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   \
                      '<resource>'",
        );
    };
    if arguments.iter().any(|argument| argument.contains('/')) {
        return arguments.iter().map(|argument| one(argument)).collect();
    }
    let kinds = first.split(',').map(kind).collect::<Result<Vec<_>, _>>()?;
    let names = &arguments[1..];
    if names.is_empty() {
        return Ok(kinds.into_iter().map(|kind| (kind, None)).collect());
    }
    Ok(kinds.into_iter().flat_map(|kind| names.iter().map(move |name| (kind, Some(name.clone())))).collect())
}

fn one(argument: &str) -> Result<Named, Failed> {
    let Some((name, object)) = argument.split_once('/') else {
        return error(format_args!(
            "there is no need to specify a resource type as a separate argument when passing arguments in \
             resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource \
             resource/<resource_name>'"
        ));
    };
    if object.contains('/') {
        return error("arguments in resource/name form may not have more than one slash");
    }
    if name.is_empty() || object.is_empty() {
        return error(format_args!("arguments in resource/name form must have a single resource and name"));
    }
    let kind = kind(name)?;
    if object == "." || object == ".." {
        return error(format_args!("invalid resource name {object:?}: [may not be '{object}']"));
    }
    Ok((kind, Some(object.to_owned())))
}

/// The kind of that name.
pub fn kind(name: &str) -> Result<&'static Kind, Failed> {
    let short = name.split('.').next().unwrap_or(name);
    match kinds::find(name) {
        Some(kind) => Ok(kind),
        None => error(format_args!("the server doesn't have a resource type {short:?}")),
    }
}
