//! Commands are built from names, and no name becomes anything else.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

const KINDS: [ObjectKind; 5] = [
    ObjectKind::Deployment,
    ObjectKind::StatefulSet,
    ObjectKind::Pod,
    ObjectKind::Autoscaler,
    ObjectKind::ScaledObject,
];

fn target(kind: ObjectKind, name: &str, uid: &str) -> ObjectTarget {
    let clean = Clean::new;
    ObjectTarget { context: clean("lab"), namespace: clean("shop"), kind, name: clean(name), uid: clean(uid) }
}

/// Words without their values: what a name could have added.
fn shape(words: &[String]) -> Vec<String> {
    let cut = |word: &String| match word.split_once('=') {
        Some((flag, _)) if word.starts_with("--") => format!("{flag}="),
        _ if word.starts_with('[') => "JSON".to_owned(),
        _ => word.split(['/', '=']).next().unwrap_or_default().to_owned(),
    };
    words.iter().map(cut).collect()
}

fn edits(text: &str, number: u32) -> [Edit; 3] {
    [
        Edit::Scale { from: number, to: number.wrapping_add(1), version: Some(text.to_owned()) },
        Edit::Patch {
            resize: number % 2 == 0,
            keeps: vec![("/spec/containers/0/name".to_owned(), json!(text))],
            fields: vec![Field {
                path: "/spec/containers/0/resources".to_owned(),
                before: Some(json!({ "limits": { "cpu": text } })),
                after: Some(json!({ "limits": { "cpu": "1" } })),
            }],
        },
        Edit::Annotate {
            key: BandwidthKey::Egress,
            before: Some(text.to_owned()),
            after: Some("50M".to_owned()),
            version: "12".to_owned(),
        },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]

    #[test]
    fn no_name_changes_the_shape_of_a_command(
        name in prop_oneof![3 => "(?s).{0,16}", 2 => "[-a-z0-9./=, ;$`'\"]{0,12}", 1 => "[a-z0-9]{1,8}"],
        uid in prop_oneof![1 => "(?s).{0,12}", 3 => "[0-9a-f-]{1,12}"],
        text in "(?s).{0,12}",
        number in any::<u32>(),
        kind in 0usize..5,
        mode in prop_oneof![Just(Mode::Real), Just(Mode::Rehearsal)],
    ) {
        for (edit, plain) in edits(&text, number).into_iter().zip(edits("1", number)) {
            let Ok(words) = (Write { target: target(KINDS[kind], &name, &uid), edit }).words(mode) else { continue };
            let expected = Write { target: target(KINDS[kind], "web", "u1"), edit: plain }.words(mode).unwrap();
            prop_assert_eq!(shape(&words), shape(&expected));
            prop_assert_eq!(words.len(), expected.len());
            // The object is a kind of ours and a name, and nothing but the flags written here is a flag.
            prop_assert_eq!(&words[1], &format!("{}/{name}", KINDS[kind].resource()));
            prop_assert!(ObjectName::new(&name).is_ok());
            let dry = if mode == Mode::Real { "--dry-run=none" } else { "--dry-run=server" };
            prop_assert_eq!(&words[2], dry);
            prop_assert_eq!(words.iter().filter(|word| word.starts_with("--dry-run")).count(), 1);
        }
    }
}

#[test]
fn an_inverse_restores_what_was_there() {
    for edit in edits("1", 4) {
        let write = Write { target: target(ObjectKind::Deployment, "web", "u1"), edit };
        let back = write.inverse();
        let turned = write.fields().into_iter().map(|field| (field.path, field.after, field.before));
        let fields = back.fields().into_iter().map(|field| (field.path, field.before, field.after));
        assert!(turned.eq(fields), "{back:?}");
        assert!(back.words(Mode::Real).is_ok());
    }
    let added = Write {
        target: target(ObjectKind::ScaledObject, "web", "u1"),
        edit: Edit::Patch {
            resize: false,
            keeps: Vec::new(),
            fields: vec![Field {
                path: "/spec/minReplicaCount".to_owned(),
                before: None,
                after: Some(json!(3)),
            }],
        },
    };
    let words = added.inverse().words(Mode::Real).unwrap().join(" ");
    assert!(words.contains(r#"{"op":"remove","path":"/spec/minReplicaCount"}"#), "{words}");
    assert!(words.contains(r#"{"op":"test","path":"/spec/minReplicaCount","value":3}"#), "{words}");
}
