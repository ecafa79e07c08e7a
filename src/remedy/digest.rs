//! What an approval is bound to, as one number.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::act::{Act, Fresh};
use super::guard::Bound;
use super::plan::{Digest, Step};

/// SHA-256 over the command, its notes, server, target and what was read of it in `fresh`. Each part goes
/// in with its length, so that no two lists of parts give the same bytes.
pub fn digest(step: &Step, bound: &Bound, fresh: &Fresh) -> Digest {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for step in std::iter::once(step).chain(bound.books.steps()) {
        part(&(step.argv.len() as u64).to_be_bytes());
        step.argv.iter().for_each(|word| part(word.as_bytes()));
        part(step.stdin.as_deref().unwrap_or_default().as_bytes());
    }
    for word in bound.books.marker.iter().flatten() {
        part(word.as_bytes());
    }
    part(bound.op.0.as_str().as_bytes());
    part(bound.server.as_bytes());
    part(bound.write.target().context().as_str().as_bytes());
    if let (Act::Object(write), Fresh::Object(object)) = (&bound.write, fresh) {
        part(object.namespace().as_bytes());
        part(object.name().as_bytes());
        part(object.uid().as_bytes());
        for field in write.fields() {
            part(field.path.as_bytes());
            part(object.at(&field.path).unwrap_or(&Value::Null).to_string().as_bytes());
        }
    }
    if let Fresh::Machine(said) = fresh {
        part(b"machine");
        part(said.as_bytes());
    }
    Digest(hash.finalize().into())
}

/// All of a digest, in hexadecimal.
pub fn full(digest: &Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a text, in hexadecimal.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
