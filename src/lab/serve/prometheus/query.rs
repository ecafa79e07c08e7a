//! `query` and `query_range`.

use std::time::{Duration, Instant};

use axum::extract::State;

use super::Prometheus;
use super::json::{Failure, Reply};
use super::params::Params;
use crate::lab::promql::{self, Answer, Error, Options};
use crate::lab::tsdb::SharedTsdb;

/// Default of the real one's `--query.timeout`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);
/// Most steps of a range.
const MOST_STEPS: i64 = 11_000;

pub(super) async fn instant(State(prometheus): State<Prometheus>, params: Params) -> Result<Reply, Failure> {
    let at = params.time_or("time", prometheus.now())?;
    evaluate(&prometheus, &params, move |storage, text, options| promql::instant(storage, text, at, options))
        .await
}

pub(super) async fn range(State(prometheus): State<Prometheus>, params: Params) -> Result<Reply, Failure> {
    let (start, end) = (params.time("start")?, params.time("end")?);
    if end < start {
        return Err(Failure::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.duration("step")?;
    if step <= 0 {
        return Err(Failure::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MOST_STEPS {
        return Err(Failure::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ));
    }
    evaluate(&prometheus, &params, move |storage, text, options| {
        promql::range(storage, text, (start, end), step, options)
    })
    .await
}

/// Evaluates on a thread where that disturbs nobody.
async fn evaluate(
    prometheus: &Prometheus,
    params: &Params,
    f: impl FnOnce(&SharedTsdb, &str, &Options) -> Result<Answer, Error> + Send + 'static,
) -> Result<Reply, Failure> {
    let limit = params.limit("limit")?;
    let timeout = params.duration_or("timeout", i64::MAX)?;
    let timeout = u64::try_from(timeout).map_or(Duration::ZERO, Duration::from_millis).min(TIMEOUT);
    let options = Options {
        lookback_ms: params.duration_or("lookback_delta", prometheus.options.lookback_ms)?,
        deadline: Some(Instant::now() + timeout),
        ..prometheus.options.clone()
    };
    let (storage, text) = (prometheus.storage.clone(), params.get("query").to_owned());
    let evaluation = move || {
        let mut answer = f(&storage, &text, &options)?;
        let truncated = limit.is_some_and(|limit| answer.truncate(limit));
        Ok::<_, Error>(Reply::answer(&answer).truncated(truncated))
    };
    let done = tokio::task::spawn_blocking(evaluation).await;
    Ok(done.map_err(|error| Failure::internal(error.to_string()))??)
}
