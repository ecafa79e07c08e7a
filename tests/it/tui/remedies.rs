//! Proposals, plans, operations and commands about the fixture's application.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use sagetop::domain::*;
use sagetop::engine::EngineEvent;
use sagetop::remedy::*;

use super::fixture::now;

pub const SLO: &str = "product-page-p95";

pub fn told(told: Told) -> EngineEvent {
    EngineEvent::Remedy(told)
}

pub fn deployment(name: &str) -> Target {
    Target::Object(ObjectTarget {
        context: Clean::new("boutique-prod"),
        namespace: Clean::new("shop"),
        kind: ObjectKind::Deployment,
        name: Clean::new(name),
        uid: Clean::new("7d2f0c2e-5a5e-4a3c-9b7e-0c3d2f1b8a11"),
    })
}

fn change(field: &str, before: Option<&str>, after: Option<&str>) -> Change {
    Change { field: Clean::new(field), before: before.map(Clean::new), after: after.map(Clean::new) }
}

fn forecast(quantile_ms: f64, low_ms: f64, high_ms: f64, p_slo_met: f64) -> Option<Counterfactual> {
    Some(Counterfactual { quantile_ms, low_ms, high_ms, p_slo_met })
}

fn obstacle(weight: Weight, text: &str) -> Obstacle {
    Obstacle { weight, text: Clean::new(text) }
}

pub fn proposal(id: u64, kind: ActionKind, risk: Risk) -> Proposal {
    Proposal {
        id: ProposalId(id),
        slo: Clean::new(SLO),
        kind,
        target: deployment("recommendationservice"),
        service: ServiceName::new("recommendationservice"),
        resource: Resource::Cpu,
        changes: vec![change("replicas", Some("2"), Some("4"))],
        risk,
        asked: false,
        why: Clean::new(
            "its CPU is throttled in 83 % of periods; four replicas bring each one back to its normal share",
        ),
        forecast: forecast(171.0, 150.0, 198.0, 0.97),
        objective_ms: 300.0,
        obstacles: Vec::new(),
        patch: None,
    }
}

pub fn proposals() -> Vec<Arc<Proposal>> {
    let mut resize = proposal(2, ActionKind::ResizeTemplate, Risk::R2);
    resize.changes =
        vec![change("limits.cpu", Some("500m"), Some("1200m")), change("requests.cpu", None, Some("600m"))];
    resize.forecast = forecast(188.0, 160.0, 241.0, 0.94);
    resize.obstacles = vec![
        obstacle(
            Weight::Warning,
            "Argo CD application shop owns this object and will put the old value back",
        ),
        obstacle(Weight::Note, "a rolling restart of 2 pods"),
    ];
    resize.patch = Some(Clean::new("spec: {}"));
    let mut floor = proposal(3, ActionKind::AutoscalerFloor, Risk::R1);
    floor.target = Target::Object(ObjectTarget {
        context: Clean::new("boutique-prod"),
        namespace: Clean::new("shop"),
        kind: ObjectKind::Autoscaler,
        name: Clean::new("recommendationservice"),
        uid: Clean::new("1"),
    });
    floor.changes = vec![change("minReplicas", Some("1"), Some("3"))];
    floor.forecast = forecast(420.0, 250.0, 611.0, 0.18);
    let mut cache = proposal(4, ActionKind::CacheWays, Risk::R3);
    cache.target = Target::Node(NodeTarget {
        context: Clean::new("boutique-prod"),
        node: Clean::new("node-c"),
        pod: Some((Clean::new("batch"), Clean::new("report-7f9c"))),
        container: None,
    });
    cache.changes = vec![change("cache ways", Some("20"), Some("4"))];
    cache.forecast = None;
    cache.obstacles = vec![obstacle(
        Weight::Refusal,
        "actions on machines are off in this context: add cache-ways to its remedy.kinds",
    )];
    let first = proposal(1, ActionKind::ScaleOut, Risk::R1);
    [first, resize, floor, cache].into_iter().map(Arc::new).collect()
}

pub fn proposed() -> EngineEvent {
    told(Told::Proposals {
        slo: Clean::new(SLO),
        proposals: proposals(),
        notes: vec![Clean::new("the network was considered: no metric of it is unusual")],
    })
}

pub fn step(args: &str) -> Step {
    let argv = std::iter::once("/usr/local/bin/kubectl").chain(args.split(' ')).map(str::to_owned).collect();
    Step { argv, stdin: None }
}

/// The plan for the first proposal: no more than choosing Apply is asked.
pub fn plan() -> Plan {
    let common = "--kubeconfig=/home/oncall/.kube/config --context=boutique-prod --namespace=shop --request-timeout=20s";
    Plan {
        slo: Clean::new(SLO),
        kind: ActionKind::ScaleOut,
        target: deployment("recommendationservice"),
        changes: vec![change("replicas", Some("2"), Some("4"))],
        step: step(&format!(
            "{common} scale deployments.apps/recommendationservice --replicas=4 --current-replicas=2 --resource-version=184467"
        )),
        undo: Some(step(&format!(
            "{common} scale deployments.apps/recommendationservice --replicas=2 --current-replicas=4"
        ))),
        risk: Risk::R1,
        confirmation: Confirmation::Choose,
        second_person: false,
        forecast: forecast(171.0, 150.0, 198.0, 0.97),
        objective_ms: 300.0,
        observed_ms: Some(642.0),
        obstacles: vec![obstacle(
            Weight::Note,
            "no autoscaler and no repository owns the number of replicas",
        )],
        dry_run: Some(Clean::new("deployment.apps/recommendationservice scaled (server dry run)")),
        undoes: None,
        digest: Digest([0x3f; 32]),
        expires: now() + SignedDuration::from_secs(120),
    }
}

/// The plan for the second proposal: its target's name has to be typed.
pub fn risky() -> Plan {
    let patch = r#"--patch={"spec":{"template":{"spec":{"containers":[{"name":"server","resources":{"limits":{"cpu":"1200m"},"requests":{"cpu":"600m"}}}]}}}}"#;
    let mut step = step(
        "--context=boutique-prod --namespace=shop patch deployments.apps/recommendationservice --type=strategic",
    );
    step.argv.push(patch.to_owned());
    Plan {
        kind: ActionKind::ResizeTemplate,
        changes: proposals()[1].changes.clone(),
        step,
        undo: None,
        risk: Risk::R2,
        confirmation: Confirmation::Type("recommendationservice".to_owned()),
        forecast: forecast(188.0, 160.0, 241.0, 0.94),
        obstacles: proposals()[1].obstacles.clone(),
        digest: Digest([0xa7; 32]),
        ..plan()
    }
}

/// A plan about a whole machine: a name, a reason and a second person.
pub fn gravest() -> Plan {
    let stdin = "set -eu\nflock -n 9\necho \"L3:0=f\" > /sys/fs/resctrl/sagetop/schemata\n";
    Plan {
        kind: ActionKind::CacheWays,
        target: proposals()[3].target.clone(),
        changes: proposals()[3].changes.clone(),
        step: Step {
            argv: ["/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "oncall@node-c", "sudo -n /bin/sh -s"]
                .map(str::to_owned)
                .to_vec(),
            stdin: Some(stdin.to_owned()),
        },
        risk: Risk::R3,
        confirmation: Confirmation::TypeWithReason("node-c/report-7f9c".to_owned()),
        second_person: true,
        forecast: None,
        obstacles: vec![obstacle(Weight::Warning, "experimental: nobody ran it on this kind of machine yet")],
        dry_run: None,
        digest: Digest([0x51; 32]),
        ..plan()
    }
}

pub fn operation(id: &str, seconds_ago: i64) -> Operation {
    Operation {
        id: OperationId(Clean::new(id)),
        slo: Clean::new(SLO),
        kind: ActionKind::ScaleOut,
        target: deployment("recommendationservice"),
        changes: vec![change("replicas", Some("2"), Some("4"))],
        by: Clean::new("kim"),
        second: None,
        started: now() - SignedDuration::from_secs(seconds_ago),
        phase: Phase::Running,
        outcome: None,
        forecast: forecast(171.0, 150.0, 198.0, 0.97),
        objective_ms: 300.0,
        verification: None,
        reverted: None,
        can_undo: false,
        undone_by: None,
        keep_until: None,
        notes: Vec::new(),
    }
}

pub fn applied(id: &str, seconds_ago: i64) -> Operation {
    let phase = Phase::Verifying;
    Operation { phase, outcome: Some(Outcome::Applied), can_undo: true, ..operation(id, seconds_ago) }
}

pub fn verified(id: &str, seconds_ago: i64, measured: f64) -> Operation {
    let verification = Some(Verification {
        windows: 3,
        measured_ms: Some(measured),
        hit: Some((150.0..=198.0).contains(&measured)),
        met: Some(measured <= 300.0),
    });
    Operation { verification, phase: Phase::Done, ..applied(id, seconds_ago) }
}

/// What was done today, oldest first: as predicted, reverted, not applied, unknown, and one that
/// takes itself back.
pub fn history() -> Vec<EngineEvent> {
    let mut reverted = verified("op-2", 5400, 640.0);
    reverted.reverted = Some(Clean::new("argocd-application-controller"));
    reverted.can_undo = false;
    let mut refused = operation("op-3", 3600);
    refused.phase = Phase::Done;
    refused.outcome = Some(Outcome::NotApplied(Clean::new("the object changed meanwhile (409 Conflict)")));
    let mut unknown = operation("op-4", 1800);
    unknown.phase = Phase::Done;
    unknown.kind = ActionKind::ResizePod;
    unknown.outcome = Some(Outcome::Unknown(Clean::new("the API server did not answer for 30 s")));
    let mut temporary = applied("op-5", 60);
    temporary.kind = ActionKind::HostBandwidth;
    temporary.target = proposals()[3].target.clone();
    temporary.changes = vec![change("htb rate", None, Some("200mbit"))];
    temporary.keep_until = Some(now() + SignedDuration::from_secs(252));
    [verified("op-1", 9000, 168.0), reverted, refused, unknown, temporary]
        .into_iter()
        .map(|o| told(Told::Operation(Arc::new(o))))
        .collect()
}

pub fn command(number: u64, line: &str, writes: bool, ended: Option<&str>) -> CommandRecord {
    CommandRecord {
        number,
        started: now() + SignedDuration::from_secs(number as i64),
        line: Clean::new(line),
        writes,
        took: ended.map(|_| Duration::from_millis(131 + 7 * number)),
        ended: ended.map(Clean::new),
        complaint: None,
    }
}

pub fn commands() -> Vec<EngineEvent> {
    let base = "kubectl --context=boutique-prod --namespace=shop";
    let mut failed = command(4, &format!("{base} auth can-i patch pods/resize"), false, Some("exit 1"));
    failed.complaint =
        Some(Clean::new("no - RBAC: pods/resize is not granted to user oncall in namespace shop"));
    [
        command(1, "kubectl version --output=json", false, Some("exit 0")),
        command(
            2,
            &format!("{base} get deployments.apps/recommendationservice --output=json"),
            false,
            Some("exit 0"),
        ),
        command(3, &format!("{base} get horizontalpodautoscalers --output=json"), false, Some("exit 0")),
        failed,
        command(
            5,
            &format!("{base} scale deployments.apps/recommendationservice --replicas=4 --dry-run=server"),
            false,
            Some("exit 0"),
        ),
        command(
            6,
            &format!("{base} scale deployments.apps/recommendationservice --replicas=4 --current-replicas=2"),
            true,
            Some("exit 0"),
        ),
        command(7, &format!("{base} get deployments.apps/recommendationservice --output=json"), false, None),
    ]
    .into_iter()
    .map(|c| told(Told::Command(c)))
    .collect()
}

pub fn ready() -> EngineEvent {
    told(Told::Standing(Standing::Ready(Clean::new("boutique-prod"))))
}

pub fn off() -> EngineEvent {
    told(Told::Standing(Standing::Off(Clean::new(
        "the configuration has no [contexts.boutique-prod.remedy] section with enabled = true",
    ))))
}

/// Armed for a quarter of an hour.
pub fn armed() -> EngineEvent {
    armed_at(now())
}

pub fn armed_at(now: Timestamp) -> EngineEvent {
    told(Told::Armed(Some(now + SignedDuration::from_secs(900))))
}

/// What an engine tells when it is asked this.
pub fn answer(ask: &Ask, now: Timestamp) -> Option<EngineEvent> {
    match ask {
        Ask::Propose(_) | Ask::Try { .. } => Some(proposed()),
        Ask::Review(_) => Some(preview(Plan { expires: now + SignedDuration::from_secs(120), ..plan() })),
        Ask::Approve(_) => Some(told(Told::Operation(Arc::new(operation("op-1", 0))))),
        _ => None,
    }
}

pub fn preview(plan: Plan) -> EngineEvent {
    told(Told::Preview(Arc::new(plan)))
}

/// The gravest plan as an answer to the first proposal.
pub fn gravest_kind_of_first() -> Plan {
    Plan { kind: ActionKind::ScaleOut, ..gravest() }
}

/// What nobody should be called, and text that a terminal would act on.
const HOSTILE: [&str; 4] = [
    "結帳服務-與一個非常非常非常長的名稱-因為有人喜歡這樣",
    "svc\x1b[31m\u{202e}gnol\u{200b}\tname\nwith controls",
    "👩‍👩‍👧‍👦-família-z\u{301}\u{302}\u{303}\u{304}algo",
    "a-very-long-name-that-goes-on-and-on-until-it-no-longer-fits-any-column-of-any-table-or-dialog-at-all",
];

pub fn hostile_proposals() -> EngineEvent {
    let proposals = proposals().into_iter().zip(HOSTILE).map(|(p, name)| {
        let mut p = (*p).clone();
        p.target = deployment(name);
        p.why = Clean::new(name);
        p.changes = vec![change(name, Some(name), Some(name))];
        p.forecast = forecast(f64::NAN, -1.0, f64::INFINITY, f64::NAN);
        p.objective_ms = 0.0;
        p.obstacles.push(obstacle(Weight::Warning, name));
        Arc::new(p)
    });
    let notes = HOSTILE.map(Clean::new).to_vec();
    told(Told::Proposals { slo: Clean::new(SLO), proposals: proposals.collect(), notes })
}

pub fn hostile_plan() -> Plan {
    let argv: Vec<String> = HOSTILE
        .iter()
        .map(|name| format!("--name={name}"))
        .chain([String::new(), "\r\x07".to_owned()])
        .collect();
    Plan {
        target: deployment(HOSTILE[1]),
        changes: vec![change(HOSTILE[0], None, Some(HOSTILE[2]))],
        step: Step { argv: argv.clone(), stdin: Some(HOSTILE.join("\n\n\x1b]0;title\x07\u{2028}")) },
        undo: Some(Step { argv, stdin: None }),
        confirmation: Confirmation::TypeWithReason(HOSTILE[1].to_owned()),
        second_person: true,
        forecast: forecast(f64::INFINITY, f64::NAN, 0.0, 2.0),
        objective_ms: f64::NAN,
        observed_ms: Some(-1.0),
        obstacles: HOSTILE.map(|name| obstacle(Weight::Warning, name)).to_vec(),
        dry_run: Some(Clean::new(HOSTILE[3])),
        ..plan()
    }
}

pub fn hostile_operation() -> EngineEvent {
    let mut o = verified(HOSTILE[1], -1000, f64::NAN);
    o.target = deployment(HOSTILE[0]);
    o.by = Clean::new(HOSTILE[2]);
    o.reverted = Some(Clean::new(HOSTILE[1]));
    o.notes = HOSTILE.map(Clean::new).to_vec();
    o.objective_ms = -5.0;
    o.keep_until = Some(now() - SignedDuration::from_secs(5));
    told(Told::Operation(Arc::new(o)))
}
