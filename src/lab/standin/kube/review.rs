//! `auth can-i`: a question about rights, as JSON or as the protobuf that kubectl sends.

use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds::{self, Target};
use super::{KubeRequest, Manners};

/// Marks a protobuf message of Kubernetes.
const MAGIC: &[u8] = b"k8s\0";

/// What is asked: verb, group, resource, subresource.
#[derive(Debug, Default, PartialEq)]
struct Question {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
}

/// Answers a `SelfSubjectAccessReview`.
pub fn answer(manners: &Manners, request: &KubeRequest) -> Result<Value, Failure> {
    if request.method != "POST" {
        return Err(Failure::method());
    }
    let question = match request.body.strip_prefix(MAGIC) {
        Some(message) => {
            protobuf(message).ok_or_else(|| Failure::bad_request("the access review cannot be read"))?
        }
        None => json_question(&request.body)?,
    };
    let known =
        kinds::KINDS.iter().find(|kind| kind.plural == question.resource && kind.group == question.group);
    let allowed = known.is_none_or(|kind| {
        let subresource = (!question.subresource.is_empty()).then(|| question.subresource.clone());
        let target = Target { kind, namespace: String::new(), name: None, subresource };
        manners.forbid.iter().all(|right| !right.covers(&question.verb, &target))
    });
    Ok(json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": { "resourceAttributes": {
            "verb": question.verb, "group": question.group,
            "resource": question.resource, "subresource": question.subresource,
        } },
        "status": { "allowed": allowed },
    }))
}

fn json_question(body: &[u8]) -> Result<Question, Failure> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?;
    let field = |name: &str| body["spec"]["resourceAttributes"][name].as_str().unwrap_or_default().to_owned();
    Ok(Question {
        verb: field("verb"),
        group: field("group"),
        resource: field("resource"),
        subresource: field("subresource"),
    })
}

/// `Unknown.raw` (2) holds the review, its `spec` (2) the `resourceAttributes` (1): verb (2),
/// group (3), resource (5), subresource (6) (k8s.io/api/authorization/v1/generated.proto).
fn protobuf(message: &[u8]) -> Option<Question> {
    let attributes = field(field(field(message, 2)?, 2)?, 1)?;
    let text =
        |number| Some(String::from_utf8_lossy(field(attributes, number).unwrap_or_default()).into_owned());
    Some(Question { verb: text(2)?, group: text(3)?, resource: text(5)?, subresource: text(6)? })
}

/// The bytes of a length-delimited field.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => drop(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                if tag >> 3 == wanted {
                    return Some(value);
                }
                message = rest;
            }
            _ => return None,
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_protobuf_question_is_read() {
        let attributes = b"\x0a\x04shop\x12\x06update\x1a\x04apps\x2a\x0bdeployments\x32\x05scale";
        let wrap = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
        let review = [wrap(0x0a, b""), wrap(0x12, &wrap(0x0a, attributes))].concat();
        let message = [wrap(0x0a, b"\x0a\x02v1"), wrap(0x12, &review)].concat();
        let question = protobuf(&message).unwrap();
        let expected = ["update", "apps", "deployments", "scale"].map(str::to_owned);
        assert_eq!([question.verb, question.group, question.resource, question.subresource], expected);
        for end in 0..message.len() {
            let _ = protobuf(&message[..end]);
        }
    }
}
