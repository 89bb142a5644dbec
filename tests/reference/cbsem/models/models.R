# Residuals, scores and fit measures of further models by lavaan; run from this folder: Rscript models.R
suppressMessages({library(lavaan); library(jsonlite)})
hs <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
mimic <- "dem60 =~ y1 + y2 + y3 + y4\ndem65 =~ y5 + y6 + y7 + y8\ndem60 ~ x1 + x2\ndem65 ~ dem60 + x1\ny5 ~ x2\nx3 ~ dem60"
cases <- list(
  mimic = list(model = mimic, data = "PoliticalDemocracy.csv"),
  mimic_mlr = list(model = mimic, data = "PoliticalDemocracy.csv", estimator = "MLR"),
  mimic_mlm = list(model = mimic, data = "PoliticalDemocracy.csv", estimator = "MLM"),
  mimic_mlf = list(model = mimic, data = "PoliticalDemocracy.csv", estimator = "MLF"),
  means = list(model = hs, data = "HolzingerSwineford1939.csv", estimator = "MLMVS", meanstructure = TRUE),
  gls = list(model = hs, data = "HolzingerSwineford1939.csv", estimator = "GLS"),
  groups = list(model = paste0(hs, "\nvisual ~ ageyr"), data = "HolzingerSwineford1939.csv", group = "school", estimator = "MLR"),
  strict = list(model = hs, data = "HolzingerSwineford1939.csv", group = "school",
                group.equal = c("loadings", "intercepts", "residuals", "lv.variances", "lv.covariances", "means")),
  fiml = list(model = paste0(hs, "\nspeed ~ ageyr"), data = "hs_missing10.csv", missing = "ml"),
  fiml_mlr = list(model = hs, data = "hs_missing10.csv", missing = "ml", estimator = "MLR"),
  fiml_weights = list(model = hs, data = "hs_missing10.csv", missing = "ml", sampling.weights = "wt"),
  ordinal = list(model = hs, data = "hs_ordinal4.csv", ordered = paste0("x", 1:9)),
  levels = list(model = "level: 1\nfw =~ y1 + a*y2 + b*y3\nlevel: 2\nfb =~ y1 + a*y2 + b*y3", data = "Demo_twolevel.csv", cluster = "cluster")
)
quiet <- function(x) suppressWarnings(tryCatch(x, error = function(e) NULL))
out <- list(software = paste("lavaan", packageVersion("lavaan"), "on", R.version.string))
for (name in names(cases)) {
  case <- cases[[name]]
  data <- read.csv(file.path("..", "data", case$data))
  if (!"wt" %in% names(data)) data$wt <- 0.5 + (37 * seq_len(nrow(data))) %% 11 / 10
  args <- case
  args$data <- data
  fit <- quiet(do.call("sem", args))
  single <- function(x) if (is.list(x[[1]])) x else list(x)
  residual <- sapply(c("normalized", "standardized"), simplify = FALSE, function(kind) quiet(lapply(single(residuals(fit, type = kind)), function(g) {
    x <- unclass(g$cov)
    list(names = colnames(x), values = unname(x))
  })))
  score <- if (length(case$ordered) || !is.null(case$cluster)) NULL else sapply(c("regression", "Bartlett"), simplify = FALSE, function(method) {
    x <- quiet(lavPredict(fit, method = method))
    if (is.list(x)) x <- x[[1]]
    list(names = colnames(x), values = unname(head(unclass(x), 8)))
  })
  found <- quiet(modindices(fit, na.remove = FALSE))
  out[[name]] <- list(call = case, fit = as.list(quiet(fitMeasures(fit))), residuals = residual, scores = score,
                      modindices = if (is.null(found) || name != "mimic") NULL else found[found$op == "~", c("lhs", "op", "rhs", "mi", "epc")])
}
write(toJSON(out, digits = 10, auto_unbox = TRUE, na = "null", null = "null", force = TRUE), "models.json")
