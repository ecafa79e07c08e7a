//! What else could have been asked, on the same windows: the methods of [`crate::baselines`].
//!
//! Some blame by themselves. Those that only rank get their best chance: the first services are
//! blamed, at most so many, whose score reaches a share of the first one's, and both numbers are those
//! that are right most often on the very cases they are judged on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::EvalError;
use super::case::{Case, Truth};
use super::ground::{Conditions, Ground};
use super::run::{LAST_TUNING, Plan, Tell};
use super::score::{Named, Score, score};
use crate::baselines::{self, Blamed, Labelled, Method, Question};
use crate::diagnosis::FeatureKinds;
use crate::domain::{Resource, ServiceName, Slo};
use crate::engine::Picture;
use crate::eval::difficulty::each;
use crate::lab::truth::Blame;

/// Services with their scores, most suspect first.
pub type Ranking = Vec<(String, f64)>;

/// What a method says of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Services with their scores, most suspect first.
    pub ranking: Ranking,
    /// Whom it blames; `None` if it only ranks.
    pub blamed: Option<Vec<Named>>,
}

/// All methods, ready to be asked.
pub struct Others {
    methods: Vec<Box<dyn Method>>,
    asked: Asked,
}

/// What is asked about every case.
struct Asked {
    kinds: FeatureKinds,
    slo: Slo,
    diagnosed: usize,
}

impl Asked {
    fn about<'a>(&'a self, picture: &'a Picture) -> Question<'a> {
        Question {
            frame: &picture.frame,
            diagnosed: self.diagnosed,
            graph: &picture.graph,
            kinds: &self.kinds,
            slo: &self.slo,
        }
    }
}

impl Others {
    /// All methods; those that need labels are shown `plan.labels` cases of the seeds to develop with that
    /// are not among those that are judged, and are left out where that is none.
    ///
    /// # Errors
    /// The lab or the engine failed, or a method learned nothing.
    pub fn new(ground: &Ground, plan: &Plan, runtime: &Handle, tell: &dyn Tell) -> Result<Self, EvalError> {
        let context = ground.config.context(None)?;
        let slo = context.slos.first().ok_or(EvalError::NoSlo)?.clone();
        let (window, length) = (ground.config.diagnosis.window, ground.config.windows.length);
        let diagnosed = (window.as_secs() / length.as_secs().max(1)).max(1) as usize;
        let asked = Asked { kinds: FeatureKinds::of(&context.catalogue), slo, diagnosed };
        let mut others = Self { methods: baselines::all(ground.config.diagnosis.unusual), asked };
        let seeds = labelled(plan);
        if seeds.is_empty() {
            others.methods.retain(|method| !method.needs_labels());
        }
        if others.methods.iter().any(|method| method.needs_labels()) {
            others.learn(&seeds, plan, runtime, tell)?;
        }
        Ok(others)
    }

    fn learn(
        &mut self,
        seeds: &[u64],
        plan: &Plan,
        runtime: &Handle,
        tell: &dyn Tell,
    ) -> Result<(), EvalError> {
        let ground = {
            let conditions = Conditions::default();
            Ground::open(plan.app.clone(), plan.nodes, LABELS_GROUND, conditions, &plan.work, runtime, tell)?
        };
        tell.say("labelled cases");
        let known = each(seeds.len(), plan.threads, |index| {
            let case = Case::open(&ground, seeds[index])?;
            Ok::<_, EvalError>((case.picture()?.1, truth(&case.truth)))
        })?;
        let cases = known.iter().map(|(picture, truth)| {
            let question = self.asked.about(picture);
            Labelled { question, truth: truth.clone() }
        });
        let cases = Vec::from_iter(cases);
        for method in self.methods.iter_mut().filter(|method| method.needs_labels()) {
            tell.say(&format!("{} learns", method.name()));
            method.learn(&cases)?;
        }
        Ok(())
    }

    /// What all of them say.
    ///
    /// # Errors
    /// One of them says nothing.
    pub fn ask(&self, picture: &Picture) -> Result<BTreeMap<String, Reply>, EvalError> {
        let question = self.asked.about(picture);
        let reply = |method: &dyn Method| {
            let answer = method.answer(&question)?;
            let ranking = answer.ranking.into_iter();
            let ranking = ranking.map(|ranked| (ranked.service.as_str().to_owned(), ranked.score));
            let reply = Reply { ranking: ranking.collect(), blamed: answer.blamed.as_ref().map(named) };
            Ok((method.name().to_owned(), reply))
        };
        self.methods.iter().map(|method| reply(method.as_ref())).collect()
    }

    /// Their settings by name.
    pub fn settings(&self) -> BTreeMap<String, String> {
        self.methods.iter().map(|method| (method.name().to_owned(), method.settings())).collect()
    }
}

/// Labels come from the history that is there to develop with.
const LABELS_GROUND: u64 = 1;

/// Seeds of the cases to learn from: the first to develop with that are not judged.
fn labelled(plan: &Plan) -> Vec<u64> {
    let judged = plan.seed..plan.seed + plan.cases as u64;
    (1..=LAST_TUNING).filter(|seed| !judged.contains(seed)).take(plan.labels).collect()
}

/// What is to blame, as methods may say it.
fn truth(truth: &Truth) -> Blamed {
    let to_blame = || truth.causes.iter().map(|blame| &blame.cause);
    if !truth.causes.is_empty() && to_blame().all(|cause| cause.resource == Resource::Load) {
        return Blamed::Load;
    }
    let services = to_blame().filter(|cause| cause.resource != Resource::Load);
    let mut services = Vec::from_iter(services.map(|cause| ServiceName::new(&cause.service)));
    services.dedup();
    Blamed::Services(services)
}

fn named(blamed: &Blamed) -> Vec<Named> {
    match blamed {
        Blamed::Load => vec![Named { service: String::new(), node: None, resource: Some(Resource::Load) }],
        Blamed::Services(services) => {
            let named =
                |service: &ServiceName| Named { service: service.to_string(), node: None, resource: None };
            services.iter().map(named).collect()
        }
    }
}

/// From a ranking to blame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// At most so many.
    pub most: usize,
    /// Those whose score is at least this share of the first one's.
    pub share: f64,
}

impl Cut {
    /// All that are tried.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=3).flat_map(|most| (1..20).map(move |step| Self { most, share: f64::from(step) / 20.0 }))
    }

    /// Whom it blames.
    pub fn blamed(self, ranking: &Ranking) -> Vec<Named> {
        let least = ranking.first().map_or(0.0, |(_, first)| first * self.share);
        let first = ranking.iter().take(self.most).filter(|(_, score)| *score >= least);
        first.map(|(service, _)| Named { service: service.clone(), node: None, resource: None }).collect()
    }
}

/// The scores of one method, case by case, and how its rankings became blame.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Case by case.
    pub scores: Vec<Score>,
    /// How; `None` for methods that blame by themselves.
    pub cut: Option<Cut>,
}

/// Judges what a method said of cases, each with the sets that would do. A method that only ranks gets its
/// best chance: the first of the cuts that name the services rightly most often on these very cases, which
/// blames fewest.
pub fn judge<'a, S>(cases: impl Iterator<Item = (S, &'a Reply)>) -> Judged
where
    S: Iterator<Item = &'a BTreeSet<Blame>>,
{
    let cases = Vec::from_iter(cases.map(|(sets, reply)| (Vec::from_iter(sets), reply)));
    let judged = |cut: Option<Cut>| {
        let scores = cases.iter().map(|(sets, reply)| {
            let services = Vec::from_iter(reply.ranking.iter().map(|(service, _)| service.clone()));
            let cut = || cut.map(|cut| cut.blamed(&reply.ranking)).unwrap_or_default();
            let blamed = reply.blamed.clone().unwrap_or_else(cut);
            score(sets.iter().copied(), &blamed, &services)
        });
        Judged { scores: scores.collect(), cut }
    };
    let as_is = judged(None);
    if cases.iter().all(|(_, reply)| reply.blamed.is_some()) {
        return as_is;
    }
    let right = |judged: &Judged| judged.scores.iter().filter(|score| score.services).count();
    let tuned = Cut::all().map(|cut| judged(Some(cut)));
    tuned.reduce(|best, next| if right(&next) > right(&best) { next } else { best }).unwrap_or(as_is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::fault::Cause;

    #[test]
    fn a_cut_blames_those_near_the_first() {
        let ranking = vec![("a".to_owned(), 10.0), ("b".to_owned(), 6.0), ("c".to_owned(), 1.0)];
        let names = |most, share| {
            let blamed = Cut { most, share }.blamed(&ranking);
            blamed.into_iter().map(|named| named.service).collect::<Vec<_>>().concat()
        };
        assert_eq!((names(1, 0.05), names(3, 0.5), names(3, 0.05)), ("a".into(), "ab".into(), "abc".into()));
        assert!(Cut { most: 2, share: 0.5 }.blamed(&Vec::new()).is_empty());
    }

    fn case(
        service: &str,
        ranking: &[(&str, f64)],
        blamed: Option<&[&str]>,
    ) -> (Vec<BTreeSet<Blame>>, Reply) {
        let cause = Cause { service: service.to_owned(), resource: Resource::Cpu };
        let sets = vec![BTreeSet::from([Blame { cause, node: None }])];
        let name = |service: &&str| Named { service: (*service).to_owned(), node: None, resource: None };
        let reply = Reply {
            ranking: ranking.iter().map(|(service, score)| ((*service).to_owned(), *score)).collect(),
            blamed: blamed.map(|services| services.iter().map(name).collect()),
        };
        (sets, reply)
    }

    fn best(cases: &[(Vec<BTreeSet<Blame>>, Reply)]) -> Judged {
        judge(cases.iter().map(|(sets, reply)| (sets.iter(), reply)))
    }

    #[test]
    fn who_only_ranks_gets_the_best_cut_and_who_blames_is_taken_at_their_word() {
        let near = [("a", 10.0), ("b", 9.0)];
        let ranks = [case("a", &near, None), case("a", &[("a", 4.0)], None), case("b", &near, None)];
        let judged = best(&ranks);
        // One service: right twice. Two would be right once.
        assert_eq!(judged.scores.iter().map(|score| score.services).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(judged.cut.map(|cut| cut.most), Some(1));
        let blames = [case("a", &near, Some(&["a", "b"])), case("b", &near, Some(&[]))];
        let judged = best(&blames);
        let told = judged.scores.iter().map(|score| (score.services, score.overlooked, score.accused));
        assert_eq!(told.collect::<Vec<_>>(), [(false, 0, 1), (false, 1, 0)]);
        assert!(judged.cut.is_none());
    }
}
