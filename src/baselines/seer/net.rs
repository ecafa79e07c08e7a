//! The network: convolutions across services, a recurrent network along time, softmax over answers.
//!
//! ```text
//!  (windows, services, queues) ─ conv across services ×2 ─→ LSTM along the windows ─→ a score a service
//!                                                            └ mean over services ──→ scores of `load`, `nobody`
//! ```
//!
//! All services share the weights, so that what is learned of one counts for all: of most, no incident is
//! known.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN as _};
use candle_nn::{
    AdamW, Conv1d, Conv1dConfig, Linear, Module as _, Optimizer as _, ParamsAdamW, VarBuilder, VarMap,
};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// How it is built and trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Windows that it looks at.
    pub windows: usize,
    /// Queues of a service.
    pub queues: usize,
    /// Channels of the convolutions and units of the recurrent network.
    pub width: usize,
    /// Passes over the examples.
    pub epochs: usize,
    /// Examples a step.
    pub batch: usize,
    /// Of AdamW.
    pub rate: f64,
    /// Weight decay of AdamW.
    pub decay: f64,
    /// Everything random follows from it.
    pub seed: u64,
}

/// Answers beside the services: the load, and nobody.
pub const OTHERS: usize = 2;

/// A trained network.
pub struct Net {
    across: [Conv1d; 2],
    along: LSTM,
    service: Linear,
    others: Linear,
    shape: Shape,
    services: usize,
}

/// Queues of all services over some windows, window by window, service by service, and how much each answer
/// is right: the services, the load, nobody. The shares sum to 1.
#[derive(Clone, Debug)]
pub struct Example {
    /// windows × services × queues.
    pub queues: Vec<f32>,
    /// services + 2.
    pub answer: Vec<f32>,
}

impl Net {
    /// Trains on `examples` of `services` services. The same examples and seed give the same network.
    pub fn train(shape: Shape, services: usize, examples: &[Example]) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(shape.seed);
        let vars = VarMap::new();
        let net = Self::new(shape, services, &VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
        initialise(&vars, &mut random)?;
        let settings = ParamsAdamW { lr: shape.rate, weight_decay: shape.decay, ..ParamsAdamW::default() };
        let mut optimiser = AdamW::new(vars.all_vars(), settings)?;
        let mut order = Vec::from_iter(0..examples.len());
        for epoch in 0..shape.epochs {
            // Down to nothing along half a cosine.
            let done = epoch as f64 / shape.epochs as f64;
            optimiser.set_learning_rate(shape.rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()));
            order.shuffle(&mut random);
            for batch in order.chunks(shape.batch.max(1)) {
                let chosen = Vec::from_iter(batch.iter().map(|at| &examples[*at]));
                let queues = net.tensor(&chosen.iter().flat_map(|e| e.queues.clone()).collect::<Vec<_>>())?;
                let answers = chosen.iter().flat_map(|e| e.answer.clone()).collect();
                let answers = Tensor::from_vec(answers, (batch.len(), services + OTHERS), &Device::Cpu)?;
                let loss = (net.log_shares(&queues)? * answers)?.sum_all()?.neg()?;
                optimiser.backward_step(&(loss / batch.len() as f64)?)?;
            }
        }
        Ok(net)
    }

    fn new(shape: Shape, services: usize, build: &VarBuilder<'_>) -> Result<Self> {
        let same = Conv1dConfig { padding: 1, ..Conv1dConfig::default() };
        let conv = |from, name: &str| candle_nn::conv1d(from, shape.width, 3, same, build.pp(name));
        Ok(Self {
            across: [conv(shape.queues, "conv1")?, conv(shape.width, "conv2")?],
            along: candle_nn::lstm(shape.width, shape.width, LSTMConfig::default(), build.pp("lstm"))?,
            service: candle_nn::linear(shape.width, 1, build.pp("service"))?,
            others: candle_nn::linear(shape.width, OTHERS, build.pp("others"))?,
            shape,
            services,
        })
    }

    /// (examples, windows, services, queues).
    fn tensor(&self, queues: &[f32]) -> Result<Tensor> {
        let Shape { windows, queues: channels, .. } = self.shape;
        let examples = queues.len() / (windows * self.services * channels).max(1);
        Tensor::from_slice(queues, (examples, windows, self.services, channels), &Device::Cpu)
    }

    /// Logarithms of the answers' probabilities: (examples, services + 2).
    fn log_shares(&self, queues: &Tensor) -> Result<Tensor> {
        let (examples, windows, services, channels) = queues.dims4()?;
        let width = self.shape.width;
        let mut x =
            queues.reshape((examples * windows, services, channels))?.transpose(1, 2)?.contiguous()?;
        for conv in &self.across {
            x = conv.forward(&x)?.relu()?;
        }
        let x = x.reshape((examples, windows, width, services))?.permute((0, 3, 1, 2))?.contiguous()?;
        let states = self.along.seq(&x.reshape((examples * services, windows, width))?)?;
        let last = match states.last() {
            Some(state) => state.h().reshape((examples, services, width))?,
            None => Tensor::zeros((examples, services, width), DType::F32, &Device::Cpu)?,
        };
        let each = self.service.forward(&last)?.squeeze(2)?;
        let others = self.others.forward(&last.mean(1)?)?;
        candle_nn::ops::log_softmax(&Tensor::cat(&[each, others], 1)?, 1)
    }

    /// Probabilities of the answers: the services, the load, nobody.
    pub fn shares(&self, queues: &[f32]) -> Result<Vec<Vec<f32>>> {
        self.log_shares(&self.tensor(queues)?)?.exp()?.to_vec2()
    }
}

/// Uniform by the number of inputs, from `random`: candle's own source cannot be seeded on a CPU.
fn initialise(vars: &VarMap, random: &mut StdRng) -> Result<()> {
    let data = vars.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut named: Vec<(&String, &Var)> = data.iter().collect();
    named.sort_by_key(|(name, _)| *name);
    for (_, var) in named {
        let inputs: usize = var.dims().iter().skip(1).product();
        let most = 1.0 / (inputs.max(1) as f32).sqrt();
        let bias = var.dims().len() == 1;
        let draw = |_| if bias { 0.0 } else { random.random_range(-most..most) };
        let values: Vec<f32> = (0..var.elem_count()).map(draw).collect();
        var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SHAPE: Shape =
        Shape { windows: 4, queues: 1, width: 6, epochs: 60, batch: 8, rate: 0.02, decay: 0.0, seed: 1 };

    /// Three services, of which one's queue grows at last; without one, all is well.
    fn example(culprit: Option<usize>, from: usize) -> Example {
        let queue = |window: usize, service: usize| {
            let here = culprit == Some(service) && window >= from;
            if here { 2.0 } else { 0.1 * ((window + 2 * service + from) % 3) as f32 }
        };
        let queues = (0..4).flat_map(|window| (0..3).map(move |service| queue(window, service)));
        let mut answer = vec![0.0; 3 + OTHERS];
        answer[culprit.unwrap_or(4)] = 1.0;
        Example { queues: queues.collect(), answer }
    }

    #[test]
    fn what_is_learned_of_some_services_is_known_of_the_other() {
        let known = Vec::from_iter(
            [Some(0), Some(1), None]
                .into_iter()
                .flat_map(|culprit| (1..4).map(move |at| example(culprit, at))),
        );
        let net = Net::train(SHAPE, 3, &known).unwrap();
        let shares = net.shares(&example(Some(2), 2).queues).unwrap();
        assert!(shares[0][2] > 0.8, "{shares:?}");
        let healthy = net.shares(&example(None, 2).queues).unwrap();
        assert!(healthy[0][4] > 0.8, "{healthy:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_network() {
        let known = [example(Some(0), 1), example(None, 2)];
        let shape = Shape { epochs: 3, ..SHAPE };
        let shares = |seed| Net::train(Shape { seed, ..shape }, 3, &known).unwrap().shares(&known[0].queues);
        assert_eq!(shares(1).unwrap(), shares(1).unwrap());
        assert_ne!(shares(1).unwrap(), shares(2).unwrap());
    }
}
