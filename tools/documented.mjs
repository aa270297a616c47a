// Checks that every exported symbol has a description where it is declared and, in the library, an example.
import { relative } from 'node:path';
import ts from 'typescript';

const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts;
const options = {
  module: ModuleKind.NodeNext,
  moduleResolution: ModuleResolutionKind.NodeNext,
  target: ScriptTarget.ES2023,
  types: ['node'],
  skipLibCheck: true,
};

/** The names that this entry exports, as a set. */
export function namesExportedBy(entry) {
  return new Set(exportsOf([entry]).symbols.map(({ name }) => name));
}

function exportsOf(entries) {
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const symbols = entries.flatMap((entry) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry))),
  );
  return { checker, symbols };
}

/** One line for each exported symbol of these entries that has no description or, with `examples`, no example. */
export function undocumented(entries, { examples }) {
  const { checker, symbols } = exportsOf(entries);
  return symbols.flatMap((exported) => {
    const symbol =
      exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const lacks = [
      ...(symbol.getDocumentationComment(checker).length > 0 ? [] : ['a sentence']),
      ...(!examples || symbol.getJsDocTags(checker).some(({ name }) => name === 'example')
        ? []
        : ['an @example']),
    ];
    return lacks.length > 0
      ? [
          `${exported.name} in ${relative(process.cwd(), symbol.declarations[0].getSourceFile().fileName)} lacks ${lacks.join(' and ')}`,
        ]
      : [];
  });
}
