export { ProjectsModule } from './projects.module.ts';
