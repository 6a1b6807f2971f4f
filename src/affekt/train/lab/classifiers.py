"""The classical classifiers of the lab recipes, from scikit-learn and XGBoost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from affekt._optional import require


def _make(module: str, name: str, **options: Any) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        maker = getattr(require(module, extra="lab"), name)
        seeded = {"random_state": seed} if "random_state" in maker().get_params() else {}
        return maker(**options, **seeded)

    return make


#: Name to a function from a seed to an untrained classifier (fit, predict, perhaps predict_proba).
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "decision-tree": _make("sklearn.tree", "DecisionTreeClassifier"),
    "k-nn": _make("sklearn.neighbors", "KNeighborsClassifier"),
    "mlp-400": _make("sklearn.neural_network", "MLPClassifier", hidden_layer_sizes=(400,), max_iter=300),
    "logistic-regression": _make("sklearn.linear_model", "LogisticRegression", max_iter=1000),
    "naive-bayes": _make("sklearn.naive_bayes", "GaussianNB"),
    "svm": _make("sklearn.svm", "SVC"),
    "linear-svm": _make("sklearn.svm", "LinearSVC"),
    "random-forest": _make("sklearn.ensemble", "RandomForestClassifier", n_estimators=200, n_jobs=2),
    "xgboost": _make("xgboost", "XGBClassifier", n_jobs=2),
}
