//! The answer without a model: the control ranking in the form of a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Engine, EngineError, Picture};
use crate::baselines;
use crate::diagnosis::FeatureKinds;
use crate::diagnosis::verdict::minus;
use crate::domain::verdict::VERDICT_SCHEMA;
use crate::domain::{
    Basis, Clean, Progress, Slo, SloReading, SloState, TimeRange, Timestamp, Verdict, VerdictKind,
};

impl Engine {
    /// Ranks services by [`baselines::control`]; nobody is blamed, since nothing was predicted.
    pub async fn control(
        self: &Arc<Self>,
        slo: &Slo,
        at: Timestamp,
        now: Timestamp,
        progress: &dyn Progress,
    ) -> Result<Verdict, EngineError> {
        let report = self.fetch(at, now, progress).await?;
        let mut verdict = self.without_model(slo, &self.picture(at).await?);
        verdict.warnings.extend(report.warnings);
        Ok(verdict)
    }

    /// The same from what is at hand.
    pub(super) fn without_model(&self, slo: &Slo, picture: &Picture) -> Verdict {
        let at = picture.at;
        let status = self.status(slo, &picture.frame, at);
        let kinds = FeatureKinds::of(&self.catalogue);
        let (ranking, resource_ranking) =
            baselines::control(&kinds, &picture.frame, self.span(), self.unusual());
        let warnings = vec![Clean::new("ranked by the control, without a model: a hint only")];
        Verdict {
            schema: VERDICT_SCHEMA,
            slo: SloReading {
                name: slo.name.clone(),
                quantile: slo.quantile,
                objective_ms: slo.objective_ms,
                observed_ms: status.observed_ms,
                state: status.state,
            },
            at,
            window: TimeRange { start: minus(at, self.diagnosis.window), end: at },
            kind: if status.state == SloState::Ok { VerdictKind::Healthy } else { VerdictKind::Unsure },
            basis: Basis::OwnContribution,
            culprits: Vec::new(),
            ranking,
            resource_ranking,
            suspects: Vec::new(),
            model: None,
            timings_ms: BTreeMap::new(),
            warnings,
        }
    }
}
