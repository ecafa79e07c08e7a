//! All of it on the lab's machines, through the lab's ssh: probed, worked out, done, read, undone, and what
//! the simulation is told of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sagetop::domain::Clean;
use sagetop::lab::sim::Change;
use sagetop::remedy::names::{Host, Uid, User};
use sagetop::remedy::node::container::{Rate, Seat, container_id, process};
use sagetop::remedy::node::draft::{self, NodeDraft};
use sagetop::remedy::node::machine::{Machine, Sender, Tenant, Uplink};
use sagetop::remedy::node::report::{Kept, Report};
use sagetop::remedy::node::script::Exit;
use sagetop::remedy::node::ssh::{Ending, Entry, Login, ending};
use sagetop::remedy::node::write::{Standing, keep, outcome};
use sagetop::remedy::{NodeTarget, OperationId};
use serde_json::{Value, json};

use crate::lab_operators::Lab;

fn op(name: &str) -> OperationId {
    OperationId(Clean::new(name))
}

/// One of the lab's machines, reached as a real one is.
struct Remote<'a> {
    lab: &'a Lab,
    login: Login,
}

impl<'a> Remote<'a> {
    fn new(lab: &'a Lab, host: &str) -> Self {
        let program = lab.installed.folder.join("ssh").to_str().unwrap().to_owned();
        let (user, host) = (User::new("ops").unwrap(), Host::new(host).unwrap());
        Self { lab, login: Login { program, config: None, user, host } }
    }

    fn ends(&self, words: &[String]) -> Ending {
        let step = self.login.step(Entry::Shell, words);
        let args: Vec<&str> = step.argv[1..].iter().map(String::as_str).collect();
        let ran = self.lab.run(&step.argv[0], &args, step.stdin.as_deref().unwrap());
        ending(Some(ran.code), ran.out.as_bytes(), ran.err.as_bytes())
    }

    /// What a script that is done says, as it says it.
    fn says(&self, words: &[String]) -> String {
        let step = self.login.step(Entry::Shell, words);
        let args: Vec<&str> = step.argv[1..].iter().map(String::as_str).collect();
        let ran = self.lab.run(&step.argv[0], &args, step.stdin.as_deref().unwrap());
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran.out
    }

    fn report(&self, words: &[&str]) -> Report {
        Report::read(&self.says(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()))
    }

    fn machine(&self) -> Machine {
        let report = self.report(&["probe", "machine"]);
        assert!(report.is_ours());
        Machine::of(&report)
    }

    fn tenant(&self, pod: &str, namespace: &str) -> Tenant {
        let got = self.lab.kubectl(&["-n", namespace, "get", &format!("pods/{pod}"), "-o", "json"]);
        let pod: Value = serde_json::from_str(&got.out).unwrap();
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap();
        let id = container_id(text("/status/containerStatuses/0/containerID")).unwrap();
        let uid = Uid::new(text("/metadata/uid")).unwrap();
        let pid = process(&self.report(&["probe", "container", id.as_str()]), &uid).unwrap();
        let report = self.report(&["probe", "process", &pid.to_string()]);
        let seat = Seat::of(&report, &id, &uid).unwrap();
        let target = NodeTarget {
            context: Clean::new("lab"),
            node: Clean::new(self.login.host.as_str()),
            pod: Some((Clean::new(namespace), Clean::new(text("/metadata/name")))),
            container: Some(Clean::new(id.as_str())),
        };
        let mut tenant = Tenant::of(target, seat, BTreeMap::new(), &report);
        tenant.rate = Some(Rate { cores: 3.0, read: 0.0, written: 1.5e8 });
        tenant
    }

    /// Applies, reads, replays, undoes and reads again; what the simulation was told each time.
    fn there_and_back(&self, draft: &NodeDraft, name: &str) -> (Vec<Change>, Vec<Change>) {
        let write = &draft.write;
        let stands = || write.standing(&self.says(&write.read().unwrap()));
        assert_eq!(stands(), Standing::Before);
        let apply = write.apply(&op(name)).unwrap();
        let first = self.ends(&apply);
        assert!(matches!(first, Ending::Script(Exit::Done, _)), "{first:?}");
        let there = self.lab.changes();
        assert_eq!((stands(), self.ends(&apply), self.lab.changes()), (Standing::After, first, vec![]));
        let kept = Kept::of(&Report::read(&self.says(&outcome(&op(name)).unwrap())));
        assert!(kept.waits && matches!(kept.result, Some((Exit::Done, _))), "{kept:?}");
        let undo = self.ends(&write.undo(&op(&format!("{name}-undo")), &op(name)).unwrap());
        assert!(matches!(undo, Ending::Script(Exit::Done, _)), "{undo:?}");
        assert_eq!(stands(), Standing::Before);
        let kept = Kept::of(&Report::read(&self.says(&outcome(&op(name)).unwrap())));
        assert!(!kept.waits, "{kept:?}");
        (there, self.lab.changes())
    }
}

#[test]
fn every_action_reaches_the_simulation_and_leaves_it() {
    let lab = Lab::start();
    let remote = Remote::new(&lab, "node-1");
    let machine = remote.machine();
    let tenant = remote.tenant("analytics-node-1", "batch");
    let (there, back) = remote.there_and_back(&draft::cache_ways(&machine, &tenant).unwrap(), "op1");
    assert_eq!(there, [Change::CacheWaysOfOthers(0, Some(3))]);
    assert_eq!(back, [Change::CacheWaysOfOthers(0, None)]);
    let (there, back) =
        remote.there_and_back(&draft::memory_bandwidth(&machine, &tenant, None).unwrap(), "op2");
    assert_eq!(there, [Change::MemoryBandwidthOfOthers(0, 0.5)]);
    assert_eq!(back, [Change::MemoryBandwidthOfOthers(0, 1.0)]);
    let (there, back) = remote.there_and_back(&draft::cpu_max(&machine, &tenant).unwrap(), "op3");
    assert_eq!((there, back), (vec![Change::CpuOfOthers(0, Some(1.5))], vec![Change::CpuOfOthers(0, None)]));
    let (there, back) = remote.there_and_back(&draft::io_max(&machine, &tenant).unwrap(), "op4");
    assert_eq!(
        (there, back),
        (vec![Change::DiskOfOthers(0, Some(7.5e7))], vec![Change::DiskOfOthers(0, None)])
    );

    let interface = machine.way_out.clone().unwrap();
    let uplink = Uplink::of(&interface, &remote.report(&["probe", "interface", &interface]));
    let web = remote.tenant(&lab.pod(0, 0), "shop");
    let sender = Sender { address: Ipv4Addr::new(10, 244, 0, 2), busiest: 4e9 };
    let draft = draft::host_bandwidth(&machine, &web, &uplink, sender).unwrap();
    let (there, back) = remote.there_and_back(&draft, "op5");
    // 10 Gbit/s, of which 5001 Mbit/s are kept for the service and 500 for the machine itself.
    assert_eq!(there, [Change::NetworkOfOthers(0, Some(4_499e6 / 8.0))]);
    assert_eq!(back, [Change::NetworkOfOthers(0, None)]);
}

#[test]
fn what_is_not_kept_takes_itself_back_and_what_is_kept_stays() {
    let lab = Lab::start();
    let remote = Remote::new(&lab, "node-1");
    let (machine, tenant) = (remote.machine(), remote.tenant("analytics-node-1", "batch"));
    let ways = draft::cache_ways(&machine, &tenant).unwrap().write;
    let cpu = draft::cpu_max(&machine, &tenant).unwrap().write;
    for (write, name) in [(&ways, "op1"), (&cpu, "op2")] {
        assert!(matches!(remote.ends(&write.apply(&op(name)).unwrap()), Ending::Script(Exit::Done, _)));
    }
    assert_eq!(
        remote.ends(&keep(&op("op3"), &op("op2")).unwrap()),
        Ending::Script(Exit::Done, Clean::new("kept"))
    );
    lab.changes();
    lab.observe(899, &[0, 1], 0.0);
    assert_eq!(lab.changes(), []);
    lab.observe(901, &[0, 1], 0.0);
    assert_eq!(lab.changes(), [Change::CacheWaysOfOthers(0, None)]);
    assert_eq!(ways.standing(&remote.says(&ways.read().unwrap())), Standing::Before);
    assert_eq!(cpu.standing(&remote.says(&cpu.read().unwrap())), Standing::After);
    let kept = Kept::of(&Report::read(&remote.says(&outcome(&op("op1")).unwrap())));
    assert_eq!(kept.reverted, Some((Exit::Done, Clean::new("absent"))));
    let late = remote.ends(&keep(&op("op4"), &op("op1")).unwrap());
    assert_eq!(late, Ending::Script(Exit::Changed, Clean::new("it has taken itself back")));
}

#[test]
fn a_session_that_is_lost_leaves_the_truth_behind() {
    for (manner, lasting) in [("lost-before", Some(false)), ("lost-after", Some(true)), ("midway", None)] {
        let lab = Lab::start();
        let remote = Remote::new(&lab, "node-1");
        let (machine, tenant) = (remote.machine(), remote.tenant("analytics-node-1", "batch"));
        let write = draft::cache_ways(&machine, &tenant).unwrap().write;
        let set = |manner: &str| lab.manners(serde_json::from_value(json!({ "ssh": manner })).unwrap());
        set(manner);
        let end = remote.ends(&write.apply(&op("op1")).unwrap());
        assert!(matches!(end, Ending::Lost(_)), "{manner}: {end:?}");
        set("normal");
        let kept = Kept::of(&Report::read(&remote.says(&outcome(&op("op1")).unwrap())));
        let done = matches!(kept.result, Some((Exit::Done, _)));
        let stands = write.standing(&remote.says(&write.read().unwrap()));
        match lasting {
            Some(lasting) => {
                assert_eq!((done, stands == Standing::After), (lasting, lasting), "{manner}: {kept:?}")
            }
            // Killed between two of its commands: begun, not ended, and its inverse waits.
            None => assert!(!done && kept.begun, "{kept:?}"),
        }
        // Whatever was done of it goes again.
        let undo = remote.ends(&write.undo(&op("op2"), &op("op1")).unwrap());
        assert!(matches!(undo, Ending::Script(Exit::Done, _)), "{manner}: {undo:?}");
        assert_eq!(write.standing(&remote.says(&write.read().unwrap())), Standing::Before);
    }
}

#[test]
fn sessions_that_never_were() {
    let lab = Lab::start();
    let words = ["probe".to_owned(), "machine".to_owned()];
    for (manner, said) in [("host-key", "Host key verification failed."), ("refused", "Connection refused")] {
        lab.manners(serde_json::from_value(json!({ "ssh": manner })).unwrap());
        let end = Remote::new(&lab, "node-1").ends(&words);
        assert!(matches!(&end, Ending::NeverConnected(why) if why.as_str().contains(said)), "{end:?}");
    }
    lab.manners(serde_json::from_value(json!({ "ssh": "no-sudo" })).unwrap());
    let end = Remote::new(&lab, "node-1").ends(&words);
    assert!(matches!(&end, Ending::NoProgram(why) if why.as_str().contains("password")), "{end:?}");
    lab.manners(serde_json::from_value(json!({})).unwrap());
    let end = Remote::new(&lab, "nowhere").ends(&words);
    assert!(matches!(&end, Ending::NeverConnected(why) if why.as_str().contains("resolve")), "{end:?}");
}
