"""Train: runs, model versions, base models."""

from django.urls import path

from training.views import (
    bases,
    forgetting,
    interpolation,
    knowledge,
    learning_curves,
    methods,
    run_pairs,
    runs,
    versions,
)

app_name = "training"
urlpatterns = [
    path("", runs.home, name="home"),
    path("launch/", runs.launch, name="launch"),
    path("launch/check/", runs.check, name="preflight"),
    path("compare/", run_pairs.compare, name="compare"),
    path("methods/", methods.methods, name="methods"),
    path("methods/csv/", methods.methods_csv, name="methods-csv"),
    path("runs/<int:number>/", runs.run, name="run"),
    path("runs/<int:number>/live/", runs.run_live, name="run-live"),
    path("learning-curves/", learning_curves.learning_curves, name="learning-curves"),
    path("learning-curves/new/", learning_curves.new, name="learning-curve-new"),
    path("learning-curves/new/check/", learning_curves.check, name="learning-curve-check"),
    path("learning-curves/<int:number>/", learning_curves.learning_curve, name="learning-curve"),
    path("versions/", versions.versions, name="versions"),
    path("versions/<int:pk>/", versions.version, name="version"),
    path("versions/<int:pk>/check-tokens/", versions.check_tokens, name="version-check-tokens"),
    path("versions/<int:pk>/check-files/", versions.check_files, name="version-check-files"),
    path("versions/<int:pk>/forgetting/", forgetting.items, name="version-forgetting"),
    path("versions/<int:pk>/forgetting/measure/", forgetting.measure, name="version-forgetting-measure"),
    path("versions/<int:pk>/way-back/", interpolation.shares, name="version-shares"),
    path("versions/<int:pk>/way-back/measure/", interpolation.measure, name="version-shares-measure"),
    path("versions/<int:pk>/way-back/store/", interpolation.store, name="version-share-store"),
    path("versions/<int:pk>/download/", versions.download, name="version-download"),
    path("unknown-facts/", knowledge.knowledge, name="knowledge"),
    path("unknown-facts/ask/", knowledge.ask, name="knowledge-ask"),
    path("bases/", bases.bases, name="bases"),
    path("bases/new/", bases.base_new, name="base-new"),
    path("bases/<int:pk>/", bases.base, name="base"),
    path("bases/<int:pk>/retry/", bases.base_retry, name="base-retry"),
    path("bases/<int:pk>/use/", bases.base_use, name="base-use"),
]
