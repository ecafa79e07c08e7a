//! Notes in the cluster about who acts: a lease while it is done, and a mark on the object afterwards.
//!
//! Both are for other people's sagetops, and for whoever looks with kubectl. The lease is
//! `coordination.k8s.io/v1`; creating it is atomic, so that of two only one gets it.

use std::time::Duration;

use serde_json::json;

use super::digest::sha256;
use super::guard::Books;
use super::kubectl::Kubectl;
use super::names::{Label, NameError};
use super::operation::OperationId;
use super::write::{FIELD_MANAGER, Write, reference};
use crate::domain::{Clean, Timestamp};

/// How long a lease holds without its holder.
const LEASE: Duration = Duration::from_secs(300);

/// Name of the lease on the object of this uid.
pub fn lease_name(uid: &str) -> String {
    format!("sagetop-{}", &sha256(uid)[..16])
}

/// When a lease runs out that was renewed at `renewed`.
pub fn runs_out(renewed: &str) -> Option<Timestamp> {
    renewed.parse::<Timestamp>().ok()?.checked_add(LEASE).ok()
}

/// The commands that leave notes about `write`, as far as there are the rights to run them; what is left
/// out, and why.
pub async fn books(
    kubectl: &Kubectl,
    write: &Write,
    op: &OperationId,
    by: &Clean,
) -> Result<(Books, Vec<Clean>), NameError> {
    let namespace = Label::new(write.target.namespace.as_str())?;
    let mut left_out = Vec::new();
    let name = lease_name(write.target.uid.as_str());
    let lease = format!("leases.coordination.k8s.io/{name}");
    let object = reference(write.target.kind, write.target.name.as_str())?;
    let (create, delete, patch) = tokio::join!(
        kubectl.can_i("create", &namespace, "leases.coordination.k8s.io", None),
        kubectl.can_i("delete", &namespace, &lease, None),
        kubectl.can_i("patch", &namespace, &object, None),
    );
    let mut books = Books::default();
    if create == Ok(true) && delete == Ok(true) {
        let now = Timestamp::now();
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": name, "annotations": { "sagetop/op": op.0, "sagetop/target": object } },
            "spec": {
                "holderIdentity": by,
                "leaseDurationSeconds": LEASE.as_secs(),
                "acquireTime": format!("{now:.6}"),
                "renewTime": format!("{now:.6}"),
            },
        });
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let take = kubectl.step(
            Some(&namespace),
            words(&["create", "--validate=false", "--dry-run=none", "-f", "-"]),
            Some(body.to_string()),
        );
        let give = kubectl.step(Some(&namespace), words(&["delete", &lease, "--dry-run=none"]), None);
        books.lease = Some((take, give));
    } else {
        left_out.push(Clean::new(
            "without the right to create and delete leases, nobody else is told that somebody acts here",
        ));
    }
    if patch == Ok(true) {
        books.marker = Some(vec![
            "annotate".to_owned(),
            object,
            "--overwrite".to_owned(),
            "--dry-run=none".to_owned(),
            format!("--field-manager={FIELD_MANAGER}"),
            format!("sagetop/op={}", op.0),
            format!("sagetop/by={by}"),
        ]);
    } else {
        left_out.push(Clean::new("without the right to patch it, the object is not marked"));
    }
    Ok((books, left_out))
}
