//! The graphical ELBO: L = Σ_j −E_q[log p(Y_j | parents)] + β Σ_e KL(q(Z_e|X,Y) ‖ p(Z_e|X)).

use candle_core::{Device, Result, Tensor};
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;

use super::batch::Batch;
use super::model::{Decoded, Gaussian, Gvae};

/// Degrees of freedom of the likelihood: heavy enough that unlabelled incidents in the
/// training data do not bend the fit.
pub const NU: f64 = 4.0;

/// Where the parents' latencies come from while decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// As observed (teacher forcing).
    Observed,
    /// As decoded (free running), back end to front end.
    Decoded,
}

/// Mean loss of a batch with its parts, per window.
#[derive(Debug)]
pub struct Loss {
    /// What is minimised, a scalar.
    pub total: Tensor,
    /// Reconstruction part.
    pub nll: Tensor,
    /// KL part, before β.
    pub kl: Tensor,
}

/// Negative log-likelihood of `y` under Student-t with [`NU`] degrees of freedom, without its
/// constant, element-wise.
pub fn student_nll(decoded: &Decoded, y: &Tensor) -> Result<Tensor> {
    let r = (y - &decoded.mean)?.div(&decoded.ln_scale.exp()?)?;
    let tail = r.sqr()?.affine(1.0 / NU, 1.0)?.log()?.affine((NU + 1.0) / 2.0, 0.0)?;
    tail.add(&decoded.ln_scale)
}

/// KL(q ‖ p) of diagonal Gaussians, summed over dimensions: (rows).
pub fn kl(q: &Gaussian, p: &Gaussian) -> Result<Tensor> {
    let ratio = (&q.ln_var - &p.ln_var)?;
    let distance = (&q.mean - &p.mean)?.sqr()?.div(&p.ln_var.exp()?)?;
    let terms = (ratio.exp()? + distance)?.sub(&ratio)?.affine(0.5, -0.5)?;
    terms.sum(1)
}

/// Standard normal noise, (rows, columns).
pub fn noise(rows: usize, columns: usize, rng: &mut StdRng) -> Result<Tensor> {
    let v: Vec<f32> = (0..rows * columns).map(|_| rng.sample(StandardNormal)).collect();
    Tensor::from_vec(v, (rows, columns), &Device::Cpu)
}

/// Weighted sum of the reconstruction loss over all latency nodes, divided by the rows.
fn reconstruction(model: &Gvae, batch: &Batch, z: &[Option<Tensor>], parents: Parents) -> Result<Tensor> {
    let mut y = batch.y.clone();
    let mut terms = Vec::with_capacity(batch.y.ln.len());
    for j in 0..model.cbn.latencies.len() {
        let decoded = model.decode(j, &batch.x, z, &y)?;
        terms.push((student_nll(&decoded, &batch.y.ln[j])? * &batch.weight[j])?.sum_all()?);
        if parents == Parents::Decoded {
            y.set(j, decoded.mean, &model.normaliser)?;
        }
    }
    Tensor::stack(&terms, 0)?.sum_all()?.affine(1.0 / batch.rows.max(1) as f64, 0.0)
}

/// The loss of a batch. `prior_weight` > 0 adds the likelihood under z ~ p(Z|X), which is what
/// counterfactuals sample from.
pub fn elbo(
    model: &Gvae,
    batch: &Batch,
    parents: Parents,
    beta: f64,
    prior_weight: f64,
    rng: &mut StdRng,
) -> Result<Loss> {
    let entities = model.cbn.entities.len();
    let (mut from_posterior, mut from_prior) = (vec![None; entities], vec![None; entities]);
    let mut divergence = Vec::new();
    for e in 0..entities {
        let Some(q) = model.posterior(e, batch)? else { continue };
        let p = model.prior(e, batch.x[e].as_ref(), batch.rows)?;
        divergence.push(kl(&q, &p)?.mean_all()?);
        from_posterior[e] = Some(q.sample(&noise(batch.rows, model.latent(), rng)?)?);
        from_prior[e] = Some(p.sample(&noise(batch.rows, model.latent(), rng)?)?);
    }
    let nll = reconstruction(model, batch, &from_posterior, parents)?;
    let kl = match divergence.is_empty() {
        true => nll.zeros_like()?,
        false => Tensor::stack(&divergence, 0)?.sum_all()?,
    };
    let mut total = (&nll + kl.affine(beta, 0.0)?)?;
    if prior_weight > 0.0 {
        let under_prior = reconstruction(model, batch, &from_prior, Parents::Observed)?;
        total = (total + under_prior.affine(prior_weight, 0.0)?)?;
    }
    Ok(Loss { total, nll, kl })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn t(v: &[f32]) -> Tensor {
        Tensor::from_vec(v.to_vec(), (1, v.len()), &Device::Cpu).unwrap()
    }

    #[test]
    fn kl_matches_the_closed_form() {
        let q = Gaussian { mean: t(&[1.0, 0.0]), ln_var: t(&[0.0, 2f32.ln()]) };
        let p = Gaussian { mean: t(&[0.0, 0.0]), ln_var: t(&[0.0, 0.0]) };
        let got = kl(&q, &p).unwrap().to_vec1::<f32>().unwrap()[0];
        let want = 0.5 + 0.5 * (2.0 - 1.0 - 2f32.ln());
        assert!((got - want).abs() < 1e-6, "{got} {want}");
        assert!(kl(&p, &p).unwrap().to_vec1::<f32>().unwrap()[0].abs() < 1e-7);
    }

    #[test]
    fn likelihood_prefers_the_truth_and_survives_outliers() {
        let d = Decoded { mean: t(&[0.0, 0.0, 0.0]), ln_scale: t(&[-2.0, -2.0, -2.0]) };
        let nll = student_nll(&d, &t(&[0.0, 0.3, 1e4])).unwrap().to_vec2::<f32>().unwrap();
        assert!(nll[0][0] < nll[0][1] && nll[0][1] < nll[0][2]);
        assert!(nll[0][2] < 60.0, "an outlier costs its logarithm: {}", nll[0][2]);
    }
}
