//! How good rankings are: AC@k, the share of faults whose service is among the first k, and Avg@5.

use serde::{Deserialize, Serialize};

use super::{Answer, Fault};
use crate::eval::paper::figure::Estimate;

/// The figures of a method over some faults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Faults.
    pub of: usize,
    /// Faults whose service is the first, among the first two, up to five.
    pub hits: [usize; 5],
}

impl Score {
    /// Scores services.
    pub fn services<'a>(answers: impl Iterator<Item = (&'a Fault, &'a Answer)>) -> Self {
        let place = |(fault, answer): (&Fault, &Answer)| {
            answer.services.iter().position(|service| *service == fault.service)
        };
        Self::of(answers.map(place))
    }

    /// Scores services with their resources, where a resource is to blame.
    pub fn resources<'a>(answers: impl Iterator<Item = (&'a Fault, &'a Answer)>) -> Self {
        let place = |(fault, answer): (&Fault, &Answer)| {
            let wanted = fault.resource.as_deref()?;
            let is = |(service, resource): &(String, String)| {
                *service == fault.service && resource.eq_ignore_ascii_case(wanted)
            };
            Some(answer.resources.iter().position(is))
        };
        Self::of(answers.filter_map(place))
    }

    fn of(places: impl Iterator<Item = Option<usize>>) -> Self {
        let mut score = Self { of: 0, hits: [0; 5] };
        for place in places {
            score.of += 1;
            let first = place.unwrap_or(usize::MAX);
            score.hits.iter_mut().enumerate().filter(|(k, _)| first <= *k).for_each(|(_, hits)| *hits += 1);
        }
        score
    }

    /// AC@k, for k from 1 to 5.
    pub fn ac(&self, k: usize) -> f64 {
        let hits = k.checked_sub(1).and_then(|at| self.hits.get(at)).copied().unwrap_or(0);
        if self.of == 0 { f64::NAN } else { hits as f64 / self.of as f64 }
    }

    /// AC@k with its interval.
    pub fn share(&self, k: usize) -> Option<Estimate> {
        Estimate::share(*self.hits.get(k.checked_sub(1)?)?, self.of)
    }

    /// The mean of AC@1 to AC@5.
    pub fn avg5(&self) -> f64 {
        (1..=5).map(|k| self.ac(k)).sum::<f64>() / 5.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_shares() {
        let fault = |service: &str, resource: Option<&str>| Fault {
            id: service.to_owned(),
            inject_unix: 0,
            service: service.to_owned(),
            performance: true,
            resource: resource.map(str::to_owned),
        };
        let services = ["a", "b", "c", "d"].map(str::to_owned);
        let pair = |service: &str, resource: &str| (service.to_owned(), resource.to_owned());
        let answer = Answer {
            services: services.to_vec(),
            resources: vec![pair("c", "memory"), pair("c", "cpu")],
            verdict: String::new(),
            exact: None,
        };
        let faults = [fault("a", None), fault("c", Some("CPU")), fault("z", None)];
        let score = Score::services(faults.iter().map(|fault| (fault, &answer)));
        assert_eq!((score.of, score.hits), (3, [1, 1, 2, 2, 2]));
        assert!((score.avg5() - (1.0 + 1.0 + 2.0 + 2.0 + 2.0) / 15.0).abs() < 1e-12);
        let pairs = Score::resources(faults.iter().map(|fault| (fault, &answer)));
        assert_eq!((pairs.of, pairs.hits), (1, [0, 1, 1, 1, 1]));
    }
}
