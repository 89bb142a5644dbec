# Reference values for interactions of constructs and for power: Rscript interactions.R, in this folder, writes interactions.json.
# Needs lavaan 0.6-14, semTools 0.5-6 and jsonlite 1.8 (Debian 12: r-cran-lavaan, r-cran-semtools, r-cran-jsonlite).
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})
d <- read.csv("interaction.csv")
out <- list()
parts <- "a =~ a1 + a2 + a3; z =~ z1 + z2 + z3; y =~ y1 + y2 + y3; y ~ a + z + az;"
frame <- function(f) list(
  estimates = parameterEstimates(f)[c("lhs", "op", "rhs", "est", "se")],
  fit = as.list(fitMeasures(f, c("chisq", "chisq.scaled", "df", "npar"))))
errors <- function(p) {
  pairs <- combn(p, 2); keep <- apply(pairs, 2, function(x) {
    a <- strsplit(x, "\\."); a[[1]][1] == a[[2]][1] || a[[1]][2] == a[[2]][2] })
  paste(apply(pairs[, keep, drop = FALSE], 2, paste, collapse = " ~~ "), collapse = "; ")
}
A <- paste0("a", 1:3); Z <- paste0("z", 1:3)
matched <- indProd(d, var1 = A, var2 = Z, match = TRUE, meanC = TRUE, doubleMC = TRUE)
out$matched <- frame(sem(paste(parts, "az =~ a1.z1 + a2.z2 + a3.z3"), matched, estimator = "MLR"))
all <- indProd(d, var1 = A, var2 = Z, match = FALSE, meanC = TRUE, doubleMC = TRUE)
p <- setdiff(names(all), names(d))
p <- c(p[p == "a1.z1"], p[p != "a1.z1"])
out$all <- frame(sem(paste(parts, "az =~", paste(p, collapse = " + "), ";", errors(p)), all, estimator = "MLR"))
f <- sem(paste(parts, "az =~ a1.z1 + a2.z2 + a3.z3"), matched, meanstructure = TRUE, estimator = "ML")
out$slopes <- probe2WayMC(f, nameX = c("a", "z", "az"), nameY = "y", modVar = "z", valProbe = c(-1, 0, 1))$SimpleSlope
square <- indProd(d, var1 = A, var2 = A, match = TRUE, meanC = TRUE, doubleMC = TRUE, namesProd = paste0("q", 1:3))
out$square <- frame(sem("a =~ a1 + a2 + a3; y =~ y1 + y2 + y3; aa =~ q1 + q2 + q3; y ~ a + aa", square, estimator = "MLR"))

pop <- "F =~ 0.7*x1 + 0.7*x2 + 0.7*x3; G =~ 0.7*y1 + 0.7*y2 + 0.7*y3; G ~ 0.3*F; F ~~ 1*F; G ~~ .91*G
  x1 ~~ .51*x1; x2 ~~ .51*x2; x3 ~~ .51*x3; y1 ~~ .51*y1; y2 ~~ .51*y2; y3 ~~ .51*y3"
null <- "F =~ NA*x1 + x2 + x3; G =~ NA*y1 + y2 + y3; G ~ 0*F; F ~~ 1*F; G ~~ 1*G"
out$satorra_saris <- sapply(c(100, 150, 155, 300), function(n) SSpower(null, n = n, nparam = 1, popModel = pop))
out$rmsea_size <- sapply(c(2, 10, 50, 100), function(k) findRMSEAsamplesize(.05, .08, df = k, power = .8))
out$rmsea_power <- c(findRMSEApower(.05, .08, df = 57, n = 200), findRMSEApower(.05, .01, df = 57, n = 200))
out$versions <- list(lavaan = as.character(packageVersion("lavaan")), semTools = as.character(packageVersion("semTools")))
set.seed(1)
implied <- function(m, n = 500, ...) cov(simulateData(m, sample.nobs = n, empirical = TRUE, ...)) * (n - 1) / n
higher <- "a =~ .8*a1 + .7*a2 + .6*a3; b =~ .9*b1 + .5*b2 + .7*b3; c =~ .6*c1 + .6*c2 + .7*c3; g =~ .8*a + .7*b + .5*c; w ~ .4*g + .2*v"
out$implied <- list(model = higher, standardized = as.data.frame(implied(higher, standardized = TRUE)),
                    plain = as.data.frame(implied(higher)))
write_json(out, "interactions.json", digits = 10, auto_unbox = TRUE, dataframe = "columns")
