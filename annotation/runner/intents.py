"""Groups questions by their words, names the groups, and places all in two dimensions. No database.

Words are weighted by TF-IDF and reduced by a truncated SVD (latent semantic analysis, Deerwester et al. 1990), groups are made by k-means,
their names are the words of the highest class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794). t-SNE (van der Maaten and Hinton 2008)
places up to LANDMARKS questions; every other one is placed among the three landmarks that are most like it. All of it is fitted on at
most FITTED questions, so that memory and time stay bounded; the seed is fixed, so that the same questions give the same map.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

FITTED = 20_000
LANDMARKS = 1_500
LEAST = 30
DIMENSIONS = 48
MOST_WORDS = 20_000
MOST_INTENTS = 24
NEAREST = 3
WORDS_IN_NAME, WORDS_KEPT = 3, 8
SEED = 0
# Letters only: numbers of orders and dates would make a group of their own.
_WORD = r"(?u)\b[^\W\d_]{2,}\b"
# Also what is left of "I'll" and "didn't" when only letters count.
_COMMON = sorted(
    ENGLISH_STOP_WORDS
    | {"ll", "ve", "don", "didn", "doesn", "isn", "wasn", "won", "couldn", "wouldn", "thats", "im"}
)
Floats = NDArray[np.float64]


class NoWords(ValueError):
    """The texts have no words in common."""


@dataclass(frozen=True)
class WordGroup:
    """One group: `words` are those that set it apart, the strongest first."""

    name: str
    words: list[str]


@dataclass(frozen=True)
class Placed:
    """For each text: its group, and where it is (both between -1 and 1)."""

    groups: NDArray[np.int64]
    points: Floats


def number_of_groups(texts: int) -> int:
    """More for more texts: 3 for 80, 11 for 1,000, 24 from 5,200 on."""
    return min(max(round(math.sqrt(texts) / 3), 3), MOST_INTENTS)


class IntentModel:
    """Fitted on some texts, places any. Raises NoWords when they have none in common."""

    def __init__(self, texts: Sequence[str], *, step: Callable[[str], None] = lambda _: None) -> None:
        step("Weighing the words.")
        matrix = self._weigh(texts)
        step("Grouping the questions.")
        self._svd = TruncatedSVD(
            n_components=max(min(DIMENSIONS, matrix.shape[1] - 1, len(texts) - 1), 1), random_state=SEED
        )
        vectors = normalize(self._svd.fit_transform(matrix))
        self._means = MiniBatchKMeans(
            n_clusters=min(number_of_groups(len(texts)), len(texts)),
            n_init=3,
            random_state=SEED,
            batch_size=2048,
        ).fit(vectors)
        self.groups = self._named(matrix, self._means.labels_)
        step("Drawing the map.")
        chosen = np.random.default_rng(SEED).permutation(len(texts))[:LANDMARKS]
        self.landmarks: list[int] = sorted(int(at) for at in chosen)
        self._near = vectors[self.landmarks]
        self._points = _flat(self._near)

    def _weigh(self, texts: Sequence[str]) -> "NDArray[np.float64]":
        for least in (2, 1):
            self._words = TfidfVectorizer(
                token_pattern=_WORD,
                stop_words=_COMMON,
                strip_accents=None,
                min_df=least,
                max_df=0.5,
                max_features=MOST_WORDS,
                sublinear_tf=True,
            )
            try:
                return self._words.fit_transform(texts)
            except ValueError:  # no word is left
                continue
        raise NoWords

    def _named(self, matrix: "NDArray[np.float64]", labels: NDArray[np.int32]) -> list[WordGroup]:
        """Class-based TF-IDF: how often a word is in a group, times log(1 + average words of a group / uses of the word)."""
        names = self._words.get_feature_names_out()
        number = int(self._means.n_clusters)
        uses = np.zeros((number, len(names)))
        for group in range(number):
            uses[group] = np.asarray((matrix[labels == group] > 0).sum(axis=0)).ravel()
        weights = uses * np.log1p(uses.sum() / number / np.maximum(uses.sum(axis=0), 1))
        groups = []
        for group in range(number):
            best = [
                str(names[at]) for at in np.argsort(-weights[group])[:WORDS_KEPT] if weights[group, at] > 0
            ]
            groups.append(WordGroup(", ".join(best[:WORDS_IN_NAME]) or "other", best))
        return groups

    def place(self, texts: Sequence[str]) -> Placed:
        """Groups and points of any texts, a few thousand at a time."""
        vectors = normalize(self._svd.transform(self._words.transform(texts)))
        likeness = vectors @ self._near.T
        nearest = np.argpartition(-likeness, min(NEAREST, likeness.shape[1]) - 1, axis=1)[:, :NEAREST]
        weights = np.take_along_axis(likeness, nearest, axis=1).clip(1e-6) ** 4
        weights /= weights.sum(axis=1, keepdims=True)
        points = (self._points[nearest] * weights[:, :, None]).sum(axis=1)
        return Placed(self._means.predict(vectors).astype(np.int64), points)


def _flat(vectors: Floats) -> Floats:
    """t-SNE in the square from -1 to 1."""
    spread = min(30.0, max((len(vectors) - 1) / 4, 2.0))
    flat = TSNE(perplexity=spread, init="random", random_state=SEED, max_iter=500).fit_transform(vectors)
    flat = flat - flat.mean(axis=0)
    return np.asarray(flat / max(float(np.abs(flat).max()), 1e-9), dtype=np.float64)
