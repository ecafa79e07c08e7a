//! What an operation writes, to an object of the cluster or on a machine, and what was read of it.

use serde::{Deserialize, Serialize};

use super::cluster::Object;
use super::node::NodeWrite;
use super::node::write::{self as on_machine, BadWords};
use super::operation::OperationId;
use super::target::{NodeTarget, Target};
use super::write::{Standing, Write};
use crate::domain::Clean;

/// What is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Act {
    /// To an object, through the Kubernetes API.
    Object(Write),
    /// On a machine, over ssh.
    Machine(MachineAct),
}

/// A change on a machine, or its inverse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineAct {
    /// To what.
    pub target: NodeTarget,
    /// The change.
    pub change: NodeWrite,
    /// The operation that made it, if this takes it back.
    pub takes_back: Option<OperationId>,
}

/// What was read of a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Fresh {
    /// The object.
    Object(Box<Object>),
    /// What the machine said, line by line.
    Machine(String),
}

impl Fresh {
    /// The object's generation, where it has one.
    pub fn generation(&self) -> Option<u64> {
        match self {
            Self::Object(object) => object.generation(),
            Self::Machine(_) => None,
        }
    }
}

impl From<Object> for Fresh {
    fn from(object: Object) -> Self {
        Self::Object(Box::new(object))
    }
}

impl From<Write> for Act {
    fn from(write: Write) -> Self {
        Self::Object(write)
    }
}

impl Act {
    /// To what.
    pub fn target(&self) -> Target {
        match self {
            Self::Object(write) => Target::Object(write.target.clone()),
            Self::Machine(act) => Target::Node(act.target.clone()),
        }
    }

    /// How what was read stands to it.
    pub fn standing(&self, fresh: &Fresh) -> Standing {
        match (self, fresh) {
            (Self::Object(write), Fresh::Object(object)) => write.standing(object),
            (Self::Machine(act), Fresh::Machine(said)) => act.standing(said),
            // One is never read for the other.
            (Self::Object(_), Fresh::Machine(_)) | (Self::Machine(_), Fresh::Object(_)) => Standing::Replaced,
        }
    }

    /// What takes it back, when it was done as operation `op`.
    pub fn inverse(&self, op: &OperationId) -> Self {
        match self {
            Self::Object(write) => Self::Object(write.inverse()),
            Self::Machine(act) => Self::Machine(MachineAct { takes_back: Some(op.clone()), ..act.clone() }),
        }
    }

    /// The write to an object, if it is one.
    pub fn object(&self) -> Option<&Write> {
        match self {
            Self::Object(write) => Some(write),
            Self::Machine(_) => None,
        }
    }
}

impl MachineAct {
    /// Words for the machine's script that do it, as operation `op`.
    ///
    /// # Errors
    /// Something in it is not of the form it should have.
    pub fn words(&self, op: &OperationId) -> Result<Vec<String>, BadWords> {
        match &self.takes_back {
            None => self.change.apply(op),
            Some(of) => self.change.undo(op, of),
        }
    }

    /// How the machine stands to it that said this.
    pub fn standing(&self, said: &str) -> Standing {
        match (self.change.standing(said), &self.takes_back) {
            (on_machine::Standing::Before, None) | (on_machine::Standing::After, Some(_)) => Standing::Before,
            (on_machine::Standing::After, None) | (on_machine::Standing::Before, Some(_)) => Standing::After,
            (on_machine::Standing::Neither(seen), _) => Standing::Neither(seen),
            // With its container a limit is gone as well.
            (on_machine::Standing::Gone, Some(_)) => Standing::After,
            (on_machine::Standing::Gone, None) => Standing::Neither(Clean::new("the container is gone")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::remedy::node::container::Seat;
    use crate::remedy::node::write::Deed;

    fn act() -> MachineAct {
        let id = "0123456789abcdef".repeat(4);
        let seat = Seat { container: id.clone(), uid: "u1".to_owned(), cgroup: format!("/u1/{id}") };
        let deed = Deed::Cpu { before: "max 100000".into(), after: "50000 100000".into(), unit: None };
        let clean = Clean::new;
        let pod = Some((clean("batch"), clean("analytics")));
        MachineAct {
            target: NodeTarget { context: clean("c"), node: clean("n"), pod, container: Some(clean(&id)) },
            change: NodeWrite { seat, deed },
            takes_back: None,
        }
    }

    #[test]
    fn an_inverse_stands_the_other_way_round() {
        let op = |name: &str| OperationId(Clean::new(name));
        let forth = Act::Machine(act());
        let back = forth.inverse(&op("op1"));
        let stands = |act: &Act, said: &str| act.standing(&Fresh::Machine(said.to_owned()));
        for (said, there, home) in [
            ("max 100000", Standing::Before, Standing::After),
            ("50000 100000", Standing::After, Standing::Before),
            ("gone", Standing::Neither(Clean::new("the container is gone")), Standing::After),
        ] {
            assert_eq!((stands(&forth, said), stands(&back, said)), (there, home), "{said}");
        }
        let Act::Machine(back) = back else { panic!() };
        assert_eq!(back.words(&op("op2")).unwrap()[..4], ["cgroup", "undo", "op2", "op1"]);
    }

    #[test]
    fn a_journal_tells_them_apart() {
        let forth = Act::Machine(act());
        let text = serde_json::to_string(&forth).unwrap();
        assert_eq!(serde_json::from_str::<Act>(&text).unwrap(), forth);
        let object = r#"{"target":{"context":"c","namespace":"n","kind":"deployment","name":"web","uid":"u"},
            "edit":{"scale":{"from":1,"to":2,"version":null}}}"#;
        assert!(matches!(serde_json::from_str::<Act>(object).unwrap(), Act::Object(_)));
    }
}
