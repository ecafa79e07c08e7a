//! Actuation: how long an objective is violated while each method acts on what it blames.
//!
//! The same train of faults passes over the same cluster again and again, each time with somebody else
//! in charge ([`drive::Driver`]). Who is in charge decides where to act; what is done there is the same
//! for all ([`hands`]).

pub mod drive;
pub mod hands;
pub mod scaler;
pub mod train;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::drive::{Drive, Driver, Scene, drive};
use super::figure::{Content, Drawing, Estimate, Figure, Panel, Scale, Table, cell};
use super::run::{Unit, Work, fill};
use super::{Ledger, PaperError, Settings};
use crate::config::Config;
use crate::eval::model::EvalError;
use crate::eval::model::ground::Ground;
use crate::eval::model::others::Others;
use crate::eval::model::report::PRODUCT;
use crate::eval::model::run::{HELD_BACK, ground_of};
use crate::lab::app::Application;
use crate::lab::scenario::word;
use crate::lab::sim::{SECOND, Settings as Simulated};
use crate::lab::stage::{Look, config};

/// Raised when trains or remedies are made in another way.
const RECIPE: u32 = 1;
/// What a diagnosis is about while somebody acts: the last minutes.
const RECENT: Duration = Duration::from_secs(120);
/// Time of day at which a train begins, in hours.
const START_HOUR: u64 = 12;
/// Of the paper's figure; other methods act when they are in it.
const OTHERS: [&str; 3] = ["offline", "control", "causeinfer"];

/// A series whose colour is grey.
const GREY: usize = 7;

/// All who are in charge once, with what they are there for.
fn drivers() -> Vec<Driver> {
    let names = crate::baselines::all(0.0);
    let names = names.iter().map(|method| method.name());
    let known = |name: &&str| OTHERS.iter().any(|known| super::published::is(name, known));
    let others = names.filter(known).map(|name| Driver::Other(name.to_owned()));
    let own = [
        Driver::Nobody,
        Driver::Product,
        Driver::Autoscaler(0.5),
        Driver::Autoscaler(0.7),
        Driver::Omniscient,
    ];
    own.into_iter().chain(others).collect()
}

fn key(app: &Application, train: usize, driver: &Driver) -> String {
    format!("actuation/{}/{train}/{}-{RECIPE}", app.name, driver.name())
}

/// All units of work.
pub fn units(settings: &Settings) -> Vec<Unit> {
    let mut units = Vec::new();
    for app in &settings.apps {
        // Each is simulated on one core, one after the other.
        let usual_s = (10.0 + 3.0 * app.services.len() as f64) * settings.threads as f64;
        for train in 0..settings.trains {
            units.extend(drivers().iter().map(|driver| Unit { key: key(app, train, driver), usual_s }));
        }
    }
    units
}

/// Lets every train pass that nothing is known of.
///
/// # Errors
/// The lab or the engine failed.
pub fn measure(work: Work<'_>) -> Result<(), PaperError> {
    let Work { settings, ledger, .. } = work;
    for app in &settings.apps {
        let drivers = drivers();
        let all = (0..settings.trains).flat_map(|train| drivers.iter().map(move |driver| (train, driver)));
        if all.into_iter().any(|(train, driver)| !ledger.knows(&key(app, train, driver))) {
            measure_app(work, app, &drivers)?;
        }
    }
    Ok(())
}

fn measure_app(work: Work<'_>, app: &Arc<Application>, drivers: &[Driver]) -> Result<(), PaperError> {
    let Work { settings, ledger, runtime, tell } = work;
    let plan = settings.plan(app);
    let mut ground = ground_of(&plan, runtime, tell)?;
    ground.config = attentive(&ground)?;
    tell.say("other methods learn");
    let others = Others::new(&ground, &plan, runtime, tell)?;
    let models = ground.folder.join("acting-models");
    crate::config::paths::private(&models).map_err(EvalError::from)?;
    for train in 0..settings.trains {
        let simulated = simulated(train);
        tell.say(&format!("train {} of {}", train + 1, app.name));
        let faults = train::train(app, &ground.cluster, &simulated, train as u64);
        let scene = Scene {
            ground: &ground,
            settings: simulated,
            faults: faults.map_err(EvalError::from)?,
            models: &models,
        };
        let keys = Vec::from_iter(drivers.iter().map(|driver| key(app, train, driver)));
        // The ports are there once, so one drives at a time.
        fill(&keys, 1, ledger, tell, |index| {
            tell.say(&format!("train {} of {}: {}", train + 1, app.name, drivers[index].name()));
            drive(&scene, &drivers[index], &others)
        })?;
    }
    Ok(())
}

/// The cluster's day of a train, held back like the incidents.
fn simulated(train: usize) -> Simulated {
    Simulated { seed: HELD_BACK + train as u64, start: START_HOUR * 3_600 * SECOND, ..Simulated::default() }
}

/// A configuration that looks at the last minutes only.
fn attentive(ground: &Ground) -> Result<Config, EvalError> {
    let ports = *ground.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let look = Look {
        history: ground.config.windows.history,
        scrape_s: ground.measurement.scrape_s,
        recent: RECENT,
    };
    let path = ground.folder.join("acting.toml");
    let text = config(&ground.app, &ground.cluster.namespace, ports, look);
    crate::eval::model::ground::write(&path, text.as_bytes())?;
    Ok(crate::config::load(&path)?)
}

/// Trains by application, then number, then driver.
type Drives = BTreeMap<String, Vec<BTreeMap<String, Drive>>>;

fn drives(settings: &Settings, ledger: &Ledger) -> Drives {
    let mut all = Drives::new();
    for app in &settings.apps {
        // Whoever was in charge, whether or not they still are.
        let of_train = |train: usize| {
            let of = format!("actuation/{}/{train}/", app.name);
            let name = |key: &String| {
                let (name, recipe) = key.strip_prefix(&of)?.rsplit_once('-')?;
                (recipe == RECIPE.to_string()).then(|| name.to_owned())
            };
            let known = ledger.keys(&of).into_iter();
            let known = known.filter_map(|key| Some((name(&key)?, ledger.get::<Drive>(&key)?)));
            BTreeMap::from_iter(known)
        };
        let trains = (0..settings.trains).map(of_train).filter(|drives| !drives.is_empty());
        let trains = Vec::from_iter(trains);
        if !trains.is_empty() {
            all.insert(app.name.to_string(), trains);
        }
    }
    all
}

/// The figure, if anything was measured.
pub fn figure(settings: &Settings, ledger: &Ledger) -> Option<Figure> {
    let drives = drives(settings, ledger);
    let (app, shown) = shown(&drives)?;
    let names = names(&drives);
    Some(Figure {
        name: "actuation",
        title: format!("The tail under a train of faults, by who acts ({app})"),
        tables: vec![summary(&drives, &names), deeds(shown, &names)],
        data: data(&drives),
        drawing: drawing(shown, &names),
    })
}

/// Everybody who was ever in charge, in the order in which they are shown.
fn names(drives: &Drives) -> Vec<String> {
    let known = drives.values().flatten().flat_map(BTreeMap::keys).cloned();
    let mut names = Vec::from_iter(std::collections::BTreeSet::from_iter(known));
    let order = Vec::from_iter(drivers().iter().map(Driver::name));
    names.sort_by_key(|name| order.iter().position(|known| known == name).unwrap_or(order.len()));
    names
}

/// The train that is drawn: of the paper's own application if it is there.
fn shown(drives: &Drives) -> Option<(&String, &BTreeMap<String, Drive>)> {
    let most =
        drives.iter().max_by_key(|(app, _)| (app.as_str() == "social-network", app.starts_with("hotel")));
    most.and_then(|(app, trains)| Some((app, trains.first()?)))
}

fn drawing(drives: &BTreeMap<String, Drive>, names: &[String]) -> Drawing {
    let present = names.iter().filter_map(|name| Some((name, drives.get(name)?)));
    let present = Vec::from_iter(present);
    let tails = present.iter().flat_map(|(_, drive)| drive.minutes.iter().filter_map(|m| m.tail_ms));
    let (least, most) = tails.fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(v), m.max(v)));
    let panels = present.iter().enumerate().map(|(index, (name, drive))| {
        let points = drive.minutes.iter().enumerate();
        let points = points.map(|(minute, m)| ((minute + 1) as f64, m.tail_ms.unwrap_or(f64::NAN)));
        let shades =
            drive.faults.iter().map(|fault| (fault.from_s / 60.0, fault.until_s / 60.0, word(&fault.kind)));
        let acted = drive.minutes.iter().enumerate().filter(|(_, minute)| !minute.acts.is_empty());
        Panel {
            title: format!(
                "{name}: {} of {} min violated, {} actions",
                drive.violated(),
                drive.minutes.len(),
                drive.acts()
            ),
            x: if index + 1 == present.len() { "minute".to_owned() } else { String::new() },
            y: Scale {
                label: format!("p{} (ms)", 100.0 * drive.quantile),
                range: Some((0.8 * least, 1.25 * most)),
                log: true,
                percent: false,
                limit: Some((drive.limit_ms, "objective".to_owned())),
            },
            content: Content::Lines {
                range: (0.0, drive.minutes.len() as f64),
                lines: vec![(colour(name), points.collect())],
                shades: shades.collect(),
                marks: acted.map(|(minute, _)| (minute + 1) as f64).collect(),
            },
        }
    });
    Drawing { columns: 1, height: 110, legend: Vec::new(), panels: panels.collect() }
}

/// The product has the colour that it has in the other figures, and who does nothing is grey.
fn colour(name: &str) -> usize {
    let others = drivers().iter().map(Driver::name).filter(|name| name != PRODUCT).position(|n| n == name);
    match others {
        None => 0,
        Some(0) => GREY,
        Some(place) => 1 + (place - 1) % (GREY - 1),
    }
}

/// Minutes violated and what was done, over the trains.
fn summary(drives: &Drives, names: &[String]) -> Table {
    let mut table = Table::new(&[
        "application",
        "in charge",
        "trains",
        "minutes violated, of each",
        "mean",
        "minutes of a train",
        "actions",
        "replicas added",
    ]);
    for (app, trains) in drives {
        for name in names {
            let known = Vec::from_iter(trains.iter().filter_map(|drives| drives.get(name)));
            let violated = Vec::from_iter(known.iter().map(|drive| drive.violated() as f64));
            let Some(mean) = Estimate::mean(&violated) else { continue };
            let sum = |of: &dyn Fn(&Drive) -> f64| {
                known.iter().map(|drive| of(drive)).sum::<f64>() / known.len() as f64
            };
            let each = Vec::from_iter(violated.iter().map(|minutes| format!("{minutes:.0}")));
            table.row([
                cell(app),
                cell(name),
                cell(known.len()),
                each.join(", "),
                format!("{:.1}", mean.value),
                format!("{:.0}", sum(&|drive| drive.minutes.len() as f64)),
                format!("{:.1}", sum(&|drive| drive.acts() as f64)),
                format!("{:.1}", sum(&|drive| f64::from(drive.added))),
            ]);
        }
    }
    table
}

/// What was done in the train that is drawn.
fn deeds(drives: &BTreeMap<String, Drive>, names: &[String]) -> Table {
    let mut table = Table::new(&["in charge", "minute: what was done"]);
    for (name, drive) in names.iter().filter_map(|name| Some((name, drives.get(name)?))) {
        let acts = drive.minutes.iter().enumerate().filter(|(_, minute)| !minute.acts.is_empty());
        let words = acts.map(|(minute, m)| format!("{}: {}", minute + 1, m.acts.join(", ")));
        let words = Vec::from_iter(words);
        if !words.is_empty() {
            table.row([cell(name), words.join("; ")]);
        }
    }
    table
}

fn data(drives: &Drives) -> Table {
    let mut table =
        Table::new(&["application", "train", "in charge", "minute", "tail_ms", "limit_ms", "broken", "done"]);
    for (app, trains) in drives {
        for (train, drives) in trains.iter().enumerate() {
            for (name, drive) in drives {
                for (minute, m) in drive.minutes.iter().enumerate() {
                    let second = 60.0 * (minute as f64 + 0.5);
                    let broken = drive.faults.iter().filter(|f| (f.from_s..f.until_s).contains(&second));
                    table.row([
                        cell(app),
                        cell(train + 1),
                        cell(name),
                        cell(minute + 1),
                        m.tail_ms.map(|ms| format!("{ms:.1}")).unwrap_or_default(),
                        cell(drive.limit_ms),
                        Vec::from_iter(broken.map(|fault| word(&fault.kind))).join(" "),
                        m.acts.join("; "),
                    ]);
                }
            }
        }
    }
    table
}

/// Who keeps the objective best, in words.
pub fn words(settings: &Settings, ledger: &Ledger) -> Option<String> {
    let drives = drives(settings, ledger);
    let mean = |trains: &[BTreeMap<String, Drive>], name: &str| {
        let known = Vec::from_iter(trains.iter().filter_map(|of| of.get(name)).map(|d| d.violated() as f64));
        Estimate::mean(&known).map(|mean| mean.value)
    };
    let sentence = |(app, trains): (&String, &Vec<BTreeMap<String, Drive>>)| {
        let names = names(&drives);
        let known = names.iter().filter_map(|name| Some((name, mean(trains, name)?)));
        let mut known = Vec::from_iter(known);
        known.sort_by(|a, b| a.1.total_cmp(&b.1));
        let words = Vec::from_iter(known.iter().map(|(name, minutes)| format!("{name} {minutes:.1}")));
        (words.len() > 1).then(|| format!("Minutes violated on {app}, best first: {}.", words.join(", ")))
    };
    let sentences = Vec::from_iter(drives.iter().filter_map(sentence));
    (!sentences.is_empty()).then(|| sentences.join(" "))
}
