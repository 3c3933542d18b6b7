// Parses and analyses Kusto queries. Takes JSON on stdin, {tables: {name: "(column:type, …)"}, queries: {name: text}},
// and gives for each query its diagnostics and the columns of its result. The argument is where
// @kusto/language-service-next has its Kusto.Language.Bridge.js.
const { readFileSync } = require("node:fs");
const { dirname, join } = require("node:path");

const library = process.argv[2];
require(join(dirname(library), "bridge.js"));
require(library);
const { GlobalState, KustoCode, Symbols } = Kusto.Language;

const list = (found) => Array.from({ length: found.Count }, (_, index) => found.getItem(index));
const { tables, queries } = JSON.parse(readFileSync(0, "utf8"));
const symbols = Object.entries(tables).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));

const analyse = (text) => {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const columns = code.ResultType?.Columns ? list(code.ResultType.Columns) : []; // none where it does not parse
  return {
    diagnostics: list(code.GetDiagnostics()).map((each) => `${each.Severity}: ${each.Message}`),
    columns: Object.fromEntries(columns.map((each) => [each.Name, each.Type.Name])),
  };
};
const analysed = Object.entries(queries).map(([name, text]) => [name, analyse(text)]);
process.stdout.write(JSON.stringify(Object.fromEntries(analysed)));
