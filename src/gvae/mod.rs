//! gvae
