"""The model of benches/gvae.rs in PyTorch: an epoch of training and a full root-cause query.

    python3 benches/pytorch/gvae.py [--threads 2] [--seconds 10] [--only epoch] [30 100 500]

Prints one JSON object a measurement. Two forms of each: "grouped" (all networks of a kind as
batched matrix products, padded to the widest) and "layers" (a `torch.nn.Sequential` a network).

Same shapes, same loss, same alternation of teacher forcing (with the prior's path) and free
running, AdamW, and noise. Data are random: the time does not depend on them.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn as nn

METRICS, QUANTILES, LATENT, HIDDEN, CALLS = 24, 5, 8, 32, 3
WINDOWS, BATCH, SAMPLES = 1440, 288, 16
NU, CLIP, OFFSET = 4.0, 4.0, 2.0
CENTRE, SCALE = 3.1, 0.4


def callees(i, n):
    return [c for c in range(CALLS * i + 1, CALLS * i + CALLS + 1) if c < n]


def levels(n):
    """Services by height, back end first: those of one level do not depend on each other."""
    height = [0] * n
    for i in reversed(range(n)):
        height[i] = 1 + max((height[c] for c in callees(i, n)), default=-1)
    return [[i for i in range(n) if height[i] == h] for h in range(max(height) + 1)]


class Grouped(nn.Module):
    """Networks of one kind for some services, as batched matrix products."""

    def __init__(self, count, inputs, outputs):
        super().__init__()
        sizes = [(inputs, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, outputs)]
        uniform = lambda n, *shape: nn.Parameter((torch.rand(*shape) * 2 - 1) / n**0.5)
        self.w = nn.ParameterList([uniform(n, count, n, m) for n, m in sizes])
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(count, 1, m)) for _, m in sizes])

    def forward(self, x):  # (services, rows, inputs)
        for depth in range(3):
            x = torch.baddbmm(self.b[depth], x, self.w[depth])
            if depth < 2:
                x = torch.relu(x)
        return x


class Layers(nn.Module):
    """The same, one network after the other."""

    def __init__(self, count, inputs, outputs):
        super().__init__()
        net = lambda: nn.Sequential(
            nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
        )
        self.nets = nn.ModuleList([net() for _ in range(count)])

    def forward(self, x):
        return torch.stack([net(x[i]) for i, net in enumerate(self.nets)])


class Gvae(nn.Module):
    """`kind` is Grouped or Layers."""

    def __init__(self, n, kind):
        super().__init__()
        self.n = n
        self.children_of = torch.full((n, CALLS), n, dtype=torch.long)  # row n is an absent callee
        for i in range(n):
            for k, c in enumerate(callees(i, n)):
                self.children_of[i, k] = c
        self.levels = [torch.tensor(level) for level in levels(n)]
        self.encoder = kind(n, METRICS + QUANTILES + CALLS * QUANTILES, 2 * LATENT)
        self.prior = kind(n, METRICS, 2 * LATENT)
        inputs = METRICS + LATENT + CALLS * QUANTILES
        self.leaf_inputs = METRICS + LATENT
        self.decoders = nn.ModuleList(
            [kind(len(l), inputs if h else self.leaf_inputs, 2 * QUANTILES) for h, l in enumerate(self.levels)]
        )
        self.share = nn.Parameter(torch.full((n, CALLS, 1, QUANTILES), -0.5))
        self.base = torch.full((n, 1, QUANTILES), 2.0)

    @staticmethod
    def gaussian(head):
        return head[..., :LATENT], head[..., LATENT:].clamp(-8.0, 4.0)

    @staticmethod
    def standard(ln):
        return ((ln - CENTRE) / SCALE).clamp(-CLIP, CLIP)

    @staticmethod
    def padded(y):
        return torch.cat([y, torch.zeros(1, *y.shape[1:])])

    def inherited(self, y, which):  # y: (services + 1, rows, quantiles) -> (some, calls, rows, quantiles)
        return y[self.children_of[which]]

    def decode(self, h, x, z, ln):
        """Location and log-scale of level `h`; `ln` holds the latencies of all services."""
        which = self.levels[h]
        parts = [x[which], z[which]]
        if h:
            # Inputs of absent callees stay 0.
            parts += list(self.inherited(self.padded(self.standard(ln)), which).unbind(1))
        head = self.decoders[h](torch.cat(parts, -1))
        own = (head[..., :QUANTILES].clamp(-8.0, 8.0) + self.base[which]).exp()
        if h:
            ms = self.inherited(self.padded(torch.relu(ln.exp() - OFFSET)), which)
            own = own + (ms * nn.functional.softplus(self.share[which])).sum(1)
        return (own + OFFSET).log(), (head[..., QUANTILES:] - 1.9).clamp(-4.6, 2.0)

    @staticmethod
    def nll(mean, ln_scale, y, weight):
        r = (y - mean) / ln_scale.exp()
        return (((NU + 1) / 2 * (r * r / NU + 1).log() + ln_scale) * weight).sum()

    def reconstruction(self, x, z, ln, weight, free):
        if not free:
            terms = []
            for h, which in enumerate(self.levels):
                mean, ln_scale = self.decode(h, x, z, ln)
                terms.append(self.nll(mean, ln_scale, ln[which], weight[which]))
            return sum(terms)
        # Decoded latencies in order of decoding, put into services' order level by level.
        terms, decoded = [], ln
        for h, which in enumerate(self.levels):
            mean, ln_scale = self.decode(h, x, z, decoded)
            terms.append(self.nll(mean, ln_scale, ln[which], weight[which]))
            decoded = decoded.index_copy(0, which, mean)
        return sum(terms)

    def loss(self, x, ln, weight, beta, prior_weight, free):
        rows = x.shape[1]
        y = self.standard(ln)
        callees = self.inherited(self.padded(y), torch.arange(self.n))
        q_mean, q_ln_var = self.gaussian(self.encoder(torch.cat([x, y, *callees.unbind(1)], -1)))
        p_mean, p_ln_var = self.gaussian(self.prior(x))
        ratio = q_ln_var - p_ln_var
        kl = 0.5 * (ratio.exp() + (q_mean - p_mean) ** 2 / p_ln_var.exp() - ratio - 1)
        z = q_mean + (0.5 * q_ln_var).exp() * torch.randn_like(q_mean)
        total = self.reconstruction(x, z, ln, weight, free) / rows + beta * kl.sum() / rows
        if prior_weight:
            z = p_mean + (0.5 * p_ln_var).exp() * torch.randn_like(p_mean)
            total = total + prior_weight * self.reconstruction(x, z, ln, weight, False) / rows
        return total


def data(n, rows):
    return torch.randn(n, rows, METRICS), CENTRE + SCALE * torch.randn(n, rows, QUANTILES), torch.ones(n, rows, QUANTILES)


def epoch(n, kind):
    model = Gvae(n, kind)
    adam = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-4, fused=True)
    x, ln, weight = data(n, WINDOWS)
    turn = 0

    def run():
        nonlocal turn
        turn += 1
        order = torch.randperm(WINDOWS)
        for step in range(WINDOWS // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            free = (turn + step) % 2 == 1
            loss = model.loss(x[:, rows], ln[:, rows], weight[:, rows], 0.5, 0.0 if free else 0.5, free)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()

    return run


def query(n, kind):
    """Every service is set to normal in turn: all interventions in one batch of 16 rows each, as
    many at a time as fit into the cache; then every latency is decoded again."""
    model = Gvae(n, kind)
    x, ln, _ = data(n, SAMPLES)
    normal = torch.zeros(n, SAMPLES, METRICS)
    at_once = max(1, min(n, 8000 // n))

    @torch.inference_mode()
    def run():
        callees = model.inherited(model.padded(model.standard(ln)), torch.arange(n))
        mean, ln_var = model.gaussian(model.encoder(torch.cat([x, model.standard(ln), *callees.unbind(1)], -1)))
        z = mean + (0.5 * ln_var).exp() * torch.randn_like(mean)
        p_mean, p_ln_var = model.gaussian(model.prior(normal))
        normal_z = p_mean + (0.5 * p_ln_var).exp() * torch.randn_like(p_mean)
        residual = torch.zeros_like(ln)
        for h, which in enumerate(model.levels):
            residual[which] = ln[which] - model.decode(h, x, z, ln)[0]
        tails = []
        for first in range(0, n, at_once):
            who = range(first, min(n, first + at_once))
            here = len(who)
            xs = x.repeat(1, here, 1)
            zs, lns, left = z.repeat(1, here, 1), ln.repeat(1, here, 1), residual.repeat(1, here, 1)
            for k, i in enumerate(who):
                rows = slice(k * SAMPLES, (k + 1) * SAMPLES)
                xs[i, rows], zs[i, rows], left[i, rows] = normal[i], normal_z[i], 0.0
            for h, which in enumerate(model.levels):
                lns[which] = model.decode(h, xs, zs, lns)[0] + left[which]
            tails.append(lns[0, :, -1].view(here, SAMPLES).median(1).values)
        return torch.cat(tails)

    return run


def measure(run, seconds):
    run()
    times, end, cpu = [], time.perf_counter() + seconds, time.process_time()
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 200):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / len(times)
    return {"seconds": statistics.median(times), "best": min(times), "cpu": cpu, "runs": len(times)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[30, 100, 500])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=["epoch", "query"])
    parser.add_argument("--grouped", action="store_true", help="leave out the other form")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    for n in options.sizes:
        for what, make in [("epoch", epoch), ("query", query)]:
            if options.only not in (None, what):
                continue
            for form, kind in [("grouped", Grouped), ("layers", Layers)][: 1 if options.grouped else 2]:
                result = {"what": what, "services": n, "form": form, **measure(make(n, kind), options.seconds)}
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
