//! PromQL over the samples of the lab.
