// Generates the reference in docs/api: one page for each entry of the library.
import { join } from 'node:path';
import { Application, Converter, ReflectionKind } from 'typedoc';

const root = join(import.meta.dirname, '..');
const library = join(root, 'libs/wechat');

/** Writes the reference into a folder. */
export async function writeReference(out) {
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    name: 'nestjs-wechat',
    out,
    entryPoints: ['index', 'passport', 'health', 'redis', 'pay', 'testing'].map((entry) =>
      join(library, `src/${entry}.ts`),
    ),
    tsconfig: join(library, 'tsconfig.lib.json'),
    readme: 'none',
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    disableSources: true,
    logLevel: 'Error',
    outputFileStrategy: 'modules',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    Object.values(project.reflections)
      .filter(isNoise)
      .forEach((reflection) => project.removeReflection(reflection));
  });
  const project = await app.convert();
  if (!project) throw new Error('typedoc could not read the sources; npm run typecheck says why.');
  await app.generateOutputs(project);
}

/** Returns true for constructors that only Nest calls, and for members that the base class already documents. */
function isNoise(reflection) {
  const injected =
    reflection.kindOf(ReflectionKind.Constructor) && !reflection.parent.name.endsWith('Error');
  return injected || reflection.inheritedFrom !== undefined;
}
