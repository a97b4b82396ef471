"""Two domains in one plane: do their images lie together?"""

from __future__ import annotations

import warnings

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from autotransfer.report.figures import COLOURS, figure
from autotransfer.report.markup import clean, joined, paragraph
from autotransfer.report.material import Material

MOST_IMAGES = 150  # of each domain
FEWEST = 10
COMPONENTS = 50  # that t-SNE gets, as its authors advise
PERPLEXITY = 30.0
NEIGHBOURS = 10


def embedding_section(material: Material) -> Markup | None:
    """Return a map of both domains for each kind of features; None for one domain."""
    if len(material.domains) < 2 or not material.embeddings:
        return None
    sets = [images.sample(MOST_IMAGES) for images in material.domains.values()]
    if min(map(len, sets)) < FEWEST:
        return None
    side = np.repeat([0, 1], [len(images) for images in sets])
    told = (
        "Where the colours lie apart, the predictor sees two worlds. Distances between far groups "
        "mean nothing in such a map; what is close is close."
    )
    parts = [paragraph(told, "quiet")]
    for place, (title, embed) in enumerate(material.embeddings.items()):
        features = np.concatenate([np.asarray(embed(images)) for images in sets])
        parts.append(_map(features, side, title, tuple(material.domains), f"map-{place}"))
    return joined(parts)


def mixing(features: NDArray[np.floating], side: NDArray[np.int64]) -> float:
    """Return the share of the ten nearest neighbours that come from the same domain.

    Args:
        features: (n, d).
        side: (n,) the domain, 0 or 1.
    """
    neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(features) - 1)).fit(features)
    near = neighbours.kneighbors(return_distance=False)
    return float((side[near] == side[:, None]).mean())


def plane(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (n, 2) places of (n, d) features by t-SNE.

    References:
        Van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 9, 2008.
    """
    scaled = StandardScaler().fit_transform(features)
    size = min(COMPONENTS, *scaled.shape)
    reduced = PCA(size, random_state=0).fit_transform(scaled)
    perplexity = min(PERPLEXITY, (len(reduced) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(reduced)
    return np.asarray(places, dtype=np.float64)


def _map(
    features: NDArray[np.floating],
    side: NDArray[np.int64],
    title: str,
    domains: tuple[str, ...],
    key: str,
) -> Markup:
    places, same = plane(features), mixing(features, side)

    def plot(axes: Axes) -> None:
        for which, domain in enumerate(domains[:2]):
            points = places[side == which]
            axes.plot(points[:, 0], points[:, 1], "os"[which], color=COLOURS[which], alpha=0.7,
                      markersize=5, markeredgewidth=0, label=clean(domain, 40))  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)

    told = f"{100 * same:.0f} % of the nearest neighbours are of the same domain"
    return figure(
        plot, key=key, height=300, alt=f"Map of {domains[0]} and {domains[1]}, {title}: {told}",
        caption=f"{title}: {told}.",
    )  # fmt: skip
